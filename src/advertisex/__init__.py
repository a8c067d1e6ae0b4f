"""AdvertiseX: ad events in, trustworthy numbers out.

    import advertisex as ax

    with ax.open_log("sqlite:///log.db") as log, ax.open_store("duckdb:///store.duckdb") as store:
        ax.ingest("clicks", ["clicks.csv"], log)
        ax.process_log(log, store)
        print(ax.summarise(store).facts)

The names exported here are the public API. Everything else may change between versions.
"""

import typing as _typing  # underscores keep imported names out of the API

if _typing.TYPE_CHECKING:
    from advertisex._api import *  # noqa: F403 - the list

    __all__: list[str]
    __version__: str
else:
    from importlib import import_module as _import_module
    from importlib.util import find_spec as _find_spec

    # Importing the whole API takes half a second. Python imports this package before any of its modules, and the
    # command line must be able to handle an interrupt by then.
    def __getattr__(name: str) -> object:
        if _find_spec(f"advertisex.{name}"):  # first: modules of the API import others while `_api` is being imported
            return _import_module(f"advertisex.{name}")
        from importlib.metadata import version as _version  # noqa: PLC0415 - slow to import

        public = {each: value for each, value in vars(_import_module("advertisex._api")).items() if each[0] != "_"}
        public |= {"__all__": sorted(public), "__version__": _version("advertisex")}
        globals().update(public)  # later accesses do not call this function
        if name not in public:
            raise AttributeError(f"module 'advertisex' has no attribute {name!r}", name=name)
        return public[name]

    def __dir__() -> list[str]:
        return __getattr__("__all__")
