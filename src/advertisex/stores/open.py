"""Open an event store by its URL."""

from pathlib import Path

from advertisex.errors import ConfigurationError
from advertisex.settings import ElasticsearchSettings
from advertisex.stores.contract import EventStore

_DUCKDB = "duckdb:///"
_ELASTICSEARCH = ("elasticsearch://", "elasticsearch+https://")


def open_store(
    url: str,
    *,
    read_only: bool,
    memory: str = "256MB",
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings(),
) -> EventStore:
    """The store that a URL names.

    Args:
        url: `duckdb:///relative.duckdb`, `duckdb:////absolute.duckdb`, `elasticsearch://user:password@host:9200`, or
            `elasticsearch+https://…` for TLS.
        read_only: for questions; a store that is opened to be written is made when it is absent.
        memory: what an embedded store may use, for example "512MB".
        elasticsearch: how a store in Elasticsearch is used.

    Raises:
        ConfigurationError: no store of this version has such a URL.
        StoreError: it cannot be opened.
    """
    # Each store's client is slow to import, and only one is needed
    if url.startswith(_DUCKDB) and len(url) > len(_DUCKDB) and ":memory:" not in url:
        from advertisex.stores.duckdb import DuckdbStore  # noqa: PLC0415

        return DuckdbStore(Path(url.removeprefix(_DUCKDB)), read_only=read_only, memory=memory)
    if url.startswith(_ELASTICSEARCH):
        from advertisex.stores.elasticsearch import ElasticsearchStore  # noqa: PLC0415

        return ElasticsearchStore(url, read_only=read_only, settings=elasticsearch)
    scheme, named, _ = url.partition("://")
    shown = repr(scheme) if named else "a URL without ://"  # never the rest: it may hold a password
    raise ConfigurationError(
        f"{shown} is no event store of this version",
        hint="use --store duckdb:///path/to/store.duckdb or --store elasticsearch://user:password@host:9200",
    )
