"""Imports of the catalogue into a store, from the API and from a file that changes."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import polars as pl
import pytest
import structlog

from advertisex.catalogue.imports import import_catalogue, imports_of
from advertisex.catalogue.watched import WatchedCatalogue
from advertisex.errors import ConfigurationError
from advertisex.model import CATALOGUE_COLUMNS
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore
from tests.catalogues import catalogue_rows

ONE = catalogue_rows({"creative_id": ["c1"], "campaign_id": ["k1"]})
TWO = catalogue_rows({"creative_id": ["c1", "c2"], "campaign_id": ["k2", "k2"]})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with DuckdbStore(tmp_path / "store.duckdb") as opened:
        yield opened


def test_an_import_replaces_the_catalogue_and_says_what_it_changed(store: EventStore) -> None:
    first, second = import_catalogue(ONE, store), import_catalogue(TWO, store)

    assert store.catalogue().equals(TWO)
    assert [first.imported_at, second.imported_at] == store.catalogue_imports()
    assert (second.creatives, second.campaigns) == (2, 1)
    assert second.change.counts == {"added": 1, "removed": 0, "moved": 1, "advertiser": 0}


def test_an_identical_catalogue_is_not_imported_again(store: EventStore) -> None:
    import_catalogue(TWO, store)

    again = import_catalogue(TWO.reverse(), store)

    assert again.imported_at is None
    assert again.change.identical
    assert len(store.catalogue_imports()) == 1


def test_an_empty_catalogue_is_imported_once(store: EventStore) -> None:
    empty = pl.DataFrame(schema=CATALOGUE_COLUMNS)

    assert import_catalogue(empty, store).imported_at is not None
    assert import_catalogue(empty, store).imported_at is None


def test_each_import_is_compared_with_the_one_before(store: EventStore) -> None:
    for rows in (ONE, TWO, ONE):
        import_catalogue(rows, store)

    found = list(imports_of(store))

    assert [one.imported_at for one in found] == store.catalogue_imports()
    assert [(one.change.counts["added"], one.change.counts["removed"]) for one in found] == [(1, 0), (1, 0), (0, 1)]
    assert [one.creatives for one in found] == [1, 2, 1]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (pl.DataFrame({"creative_id": ["c1"]}), "missing column in the catalogue: campaign_id"),
        (catalogue_rows({"creative_id": ["c1"]}), "creative 'c1', campaign None"),
        (catalogue_rows({"creative_id": ["c1", "c1"], "campaign_id": ["k1", "k2"]}), "creative 'c1', campaign 'k1'"),
        (ONE.with_columns(valid_from=pl.lit("soon")), "wrong type"),
    ],
)
def test_an_invalid_catalogue_is_rejected(store: EventStore, rows: pl.DataFrame, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what) as caught:
        import_catalogue(rows, store)

    assert caught.value.hint
    assert store.catalogue_imports() == []


# -- a file that changes -------------------------------------------------------------------------------------------


_TIMES = count(10**18, 10**9)


def write(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["creative_id,campaign_id", *lines, ""]), encoding="utf-8")
    now = next(_TIMES)  # the clock of a file system may be coarse
    os.utime(path, ns=(now, now))


def test_a_file_is_imported_again_when_its_content_has_changed(store: EventStore, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.csv"
    write(file, "c1,k1")
    watched = WatchedCatalogue(file, store)
    assert watched.first.imported_at is not None
    assert watched.import_if_changed() is None

    write(file, "c1,k1")  # the same content
    assert watched.import_if_changed() is None
    write(file, "c1,k2")
    with structlog.testing.capture_logs() as lines:
        assert watched.import_if_changed() is not None

    assert store.catalogue()["campaign_id"].to_list() == ["k2"]
    assert len(store.catalogue_imports()) == 2
    (line,) = lines
    assert (line["log_level"], line["moved"], line["campaigns"]) == ("warning", 1, ["k1", "k2"])


def test_an_invalid_change_is_logged_once_and_the_catalogue_stays(store: EventStore, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.csv"
    write(file, "c1,k1")
    watched = WatchedCatalogue(file, store)

    with structlog.testing.capture_logs() as lines:
        write(file, "c1,")
        assert watched.import_if_changed() is None
        assert watched.import_if_changed() is None
        file.unlink()
        assert watched.import_if_changed() is None
        write(file, "c1,k1", "c2,k1")
        assert watched.import_if_changed() is not None

    assert [line["event"] for line in lines] == ["catalogue not imported"] * 2 + ["catalogue imported"]
    assert store.catalogue()["creative_id"].to_list() == ["c1", "c2"]


def test_an_invalid_file_is_an_error_at_the_start(store: EventStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read the catalogue"):
        WatchedCatalogue(tmp_path / "absent.csv", store)
