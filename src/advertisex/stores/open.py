"""Open an event store by its URL."""

from pathlib import Path

from advertisex.errors import ConfigurationError
from advertisex.extras import extra
from advertisex.settings.model import DEFAULT_MEMORY, ElasticsearchSettings
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.contract import EventStore
from advertisex.stores.replacement import Replacement

_DUCKDB = "duckdb:///"
_MEMORY = ":memory:"
_ELASTICSEARCH = ("elasticsearch://", "elasticsearch+https://")


def open_store(
    url: str,
    *,
    read_only: bool = False,
    memory: str = DEFAULT_MEMORY,
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings(),
    clock: Clock = utc_now,
) -> EventStore:
    """Open the store at a URL.

    Args:
        url: `duckdb:///relative.duckdb`, `duckdb:////absolute.duckdb`, `elasticsearch://user:password@host:9200`, or
            `elasticsearch+https://…` for TLS. A store at `duckdb:///:memory:` is private to this call: another call,
            or another process, opens another store.
        read_only: open for queries only. A store that is opened for writing is created if it does not exist, and so is
            the folder of a file.
        memory: memory limit of an embedded store, for example "512MB".
        elasticsearch: settings of a store in Elasticsearch.
        clock: source of the commit times.

    Raises:
        ConfigurationError: the URL is not one of these.
        StoreError: the store could not be opened.
    """
    # The stores' clients are slow to import, and only one is needed
    if _is_duckdb(url):
        from advertisex.stores.duckdb.store import DuckdbStore  # noqa: PLC0415

        return DuckdbStore(Path(url.removeprefix(_DUCKDB)), read_only=read_only, memory=memory, clock=clock)
    if url.startswith(_ELASTICSEARCH):
        with extra("elasticsearch", "stores in Elasticsearch"):
            from advertisex.stores.elasticsearch.store import ElasticsearchStore  # noqa: PLC0415 - an extra

        return ElasticsearchStore(url, read_only=read_only, settings=elasticsearch, clock=clock)
    raise _unsupported(url)


def open_replacement(
    url: str,
    *,
    memory: str = DEFAULT_MEMORY,
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings(),
    clock: Clock = utc_now,
) -> Replacement:
    """Open the store at a URL, of any format, to rebuild it; the arguments are those of `open_store`.

    Raises:
        ConfigurationError: the URL is invalid, or the store is in memory only.
        StoreMissing: nothing is stored there.
        StoreError: the store could not be opened, or the old one of an earlier rebuild is still kept.
    """
    if _is_duckdb(url) and not url.endswith(_MEMORY):
        from advertisex.stores.duckdb.replacement import DuckdbReplacement  # noqa: PLC0415

        return DuckdbReplacement(Path(url.removeprefix(_DUCKDB)), memory=memory, clock=clock)
    if url.startswith(_ELASTICSEARCH):
        with extra("elasticsearch", "stores in Elasticsearch"):
            from advertisex.stores.elasticsearch.replacement import ElasticsearchReplacement  # noqa: PLC0415 - an extra

        return ElasticsearchReplacement(url, settings=elasticsearch, clock=clock)
    raise _unsupported(url)


def kept_old(url: str, *, elasticsearch: ElasticsearchSettings = ElasticsearchSettings()) -> list[str]:
    """The files or the indices of the old store that a rebuild kept, and of a new one that is not complete.

    Raises:
        ConfigurationError: the URL is invalid.
        StoreError: the store could not be reached.
    """
    if _is_duckdb(url):
        from advertisex.stores.duckdb.replacement import kept_old as kept_file  # noqa: PLC0415

        return kept_file(Path(url.removeprefix(_DUCKDB)))
    if url.startswith(_ELASTICSEARCH):
        with extra("elasticsearch", "stores in Elasticsearch"):
            from advertisex.stores.elasticsearch.replacement import kept_old as kept_indices  # noqa: PLC0415 - an extra

        return kept_indices(url, elasticsearch)
    raise _unsupported(url)


def drop_old(url: str, *, elasticsearch: ElasticsearchSettings = ElasticsearchSettings()) -> list[str]:
    """Delete what `kept_old` names, and return the names.

    Raises:
        ConfigurationError: the URL is invalid, or the store is in memory only.
        StoreError: it could not be deleted.
    """
    if _is_duckdb(url) and not url.endswith(_MEMORY):
        from advertisex.stores.duckdb.replacement import drop_old as drop_file  # noqa: PLC0415

        return drop_file(Path(url.removeprefix(_DUCKDB)))
    if url.startswith(_ELASTICSEARCH):
        with extra("elasticsearch", "stores in Elasticsearch"):
            from advertisex.stores.elasticsearch.replacement import drop_old as drop_indices  # noqa: PLC0415 - an extra

        return drop_indices(url, elasticsearch)
    raise _unsupported(url)


def _is_duckdb(url: str) -> bool:
    is_memory = url == f"{_DUCKDB}{_MEMORY}"
    return url.startswith(_DUCKDB) and len(url) > len(_DUCKDB) and (is_memory or _MEMORY not in url)


def _unsupported(url: str) -> ConfigurationError:
    scheme, separator, _ = url.partition("://")
    if scheme == "duckdb":
        hint = "the store is a file, without host, user or password: use --store duckdb:///path/to/store.duckdb"
        return ConfigurationError("invalid URL of the embedded store", hint=hint, setting=("store", "url"))
    shown = f"{scheme}://…" if separator else "it has no ://"  # never the whole URL: it may contain a password
    return ConfigurationError(
        f"unsupported event store URL ({shown})",
        hint="use --store duckdb:///path/to/store.duckdb or --store elasticsearch://user:password@host:9200",
        setting=("store", "url"),
    )
