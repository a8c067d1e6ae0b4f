"""Open an event store by its URL."""

from pathlib import Path

from advertisex.errors import ConfigurationError
from advertisex.settings.model import DEFAULT_MEMORY, ElasticsearchSettings
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.contract import EventStore

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
    if url.startswith(_DUCKDB) and len(url) > len(_DUCKDB) and (url == f"{_DUCKDB}{_MEMORY}" or _MEMORY not in url):
        from advertisex.stores.duckdb.store import DuckdbStore  # noqa: PLC0415

        return DuckdbStore(Path(url.removeprefix(_DUCKDB)), read_only=read_only, memory=memory, clock=clock)
    if url.startswith(_ELASTICSEARCH):
        from advertisex.stores.elasticsearch.store import ElasticsearchStore  # noqa: PLC0415

        return ElasticsearchStore(url, read_only=read_only, settings=elasticsearch, clock=clock)
    scheme, separator, _ = url.partition("://")
    shown = f"{scheme}://…" if separator else "it has no ://"  # never the whole URL: it may contain a password
    raise ConfigurationError(
        f"unsupported event store URL ({shown})",
        hint="use --store duckdb:///path/to/store.duckdb or --store elasticsearch://user:password@host:9200",
    )
