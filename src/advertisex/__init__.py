"""AdvertiseX: ad events in, trustworthy numbers out.

The names exported here are the public API. Everything else may change between versions.
"""

import importlib.util
import typing

if typing.TYPE_CHECKING:
    from advertisex._api import *  # noqa: F403 - its __all__ is the list
    from advertisex._api import __all__ as __all__
    from advertisex._api import __version__ as __version__
else:
    # Importing the whole API takes half a second. Python imports this package before any of its modules, and the
    # command line must handle an interrupt from the start.
    def __getattr__(name: str) -> object:
        if importlib.util.find_spec(f"advertisex.{name}"):
            return importlib.import_module(f"advertisex.{name}")
        api = importlib.import_module("advertisex._api")
        try:
            return getattr(api, name)
        except AttributeError:
            raise AttributeError(f"module 'advertisex' has no attribute {name!r}", name=name) from None

    def __dir__() -> list[str]:
        return [*globals(), *__getattr__("__all__")]
