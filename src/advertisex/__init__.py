"""AdvertiseX: ad events in, trustworthy numbers out.

This is the public door. Everything else may move between versions.
"""

import importlib.util
import typing

if typing.TYPE_CHECKING:
    from advertisex.door import *  # noqa: F403 - the list stands there
    from advertisex.door import __all__ as __all__
    from advertisex.door import __version__ as __version__
else:
    # All of it takes half a second to import. Python imports this package before any module of it, and the command
    # has to hear an interrupt from its first moment on.
    def __getattr__(name: str) -> object:
        if importlib.util.find_spec(f"advertisex.{name}"):
            return importlib.import_module(f"advertisex.{name}")
        door = importlib.import_module("advertisex.door")
        try:
            return getattr(door, name)
        except AttributeError:
            raise AttributeError(f"module 'advertisex' has no attribute {name!r}", name=name) from None

    def __dir__() -> list[str]:
        return [*globals(), *__getattr__("__all__")]
