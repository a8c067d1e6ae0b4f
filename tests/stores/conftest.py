"""A store in a real Elasticsearch whose requests a test can watch."""

from collections.abc import Iterator

import pytest

from advertisex.stores.elasticsearch.store import ElasticsearchStore
from tests.contracts.store_places import NewPlace, Place, in_elasticsearch
from tests.stores.es_transport import Watched


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewPlace]:
    with in_elasticsearch(request, tmp_path_factory) as new_place:
        yield new_place


@pytest.fixture
def place(places: NewPlace) -> Place:
    return places()


@pytest.fixture
def watched() -> Watched:
    """The transport of `store`."""
    return Watched()


@pytest.fixture
def store(place: Place, watched: Watched) -> Iterator[ElasticsearchStore]:
    with ElasticsearchStore(place.url, settings=place.elasticsearch, transport=watched) as made:
        yield made
