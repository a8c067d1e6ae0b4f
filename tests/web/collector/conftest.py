"""A collector for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.web.collector.places import Place, collecting


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with collecting(tmp_path_factory.mktemp("collector")) as place:
        yield place
