"""The stores under test; a new kind of store needs one more entry in `STORES`."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count

import pytest

from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.contract import EventStore
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.open import open_store


@dataclass(frozen=True)
class Place:
    """The URL of a store, and its settings."""

    url: str
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()

    def open(self, *, read_only: bool = False, clock: Clock = utc_now) -> EventStore:
        return open_store(self.url, read_only=read_only, elasticsearch=self.elasticsearch, clock=clock)


NewPlace = Callable[[], Place]


@contextmanager
def in_folders(request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> Iterator[NewPlace]:
    yield lambda: Place(f"duckdb:///{folders.mktemp('store') / 'store.duckdb'}")


@contextmanager
def in_elasticsearch(request: pytest.FixtureRequest, folders: pytest.TempPathFactory) -> Iterator[NewPlace]:
    url = request.getfixturevalue("elasticsearch")
    ours = f"test-{secrets.token_hex(6)}-"
    numbers = count()
    yield lambda: Place(url, ElasticsearchSettings(prefix=f"{ours}{next(numbers)}-"))
    remove(url, ours)


def remove(url: str, prefix: str) -> None:
    """Remove indices and templates by name prefix: a node has at most a thousand shards."""
    connection = Connection(address_of(url), ElasticsearchSettings())
    names = list(connection.request("GET", f"/{prefix}*?expand_wildcards=all&filter_path=*.aliases").json())
    for start in range(0, len(names), 50):
        connection.request("DELETE", f"/{','.join(names[start : start + 50])}")
    connection.request("DELETE", f"/_index_template/{prefix}*", accept={404})
    connection.close()


#: For each kind of store, a context manager that creates places for new ones.
STORES: dict[str, Callable[[pytest.FixtureRequest, pytest.TempPathFactory], AbstractContextManager[NewPlace]]] = {
    "duckdb": in_folders,
    "elasticsearch": in_elasticsearch,
}
