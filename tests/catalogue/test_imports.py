"""Imports of the catalogue into a store, from the API and from a file that changes."""

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from pathlib import Path

import polars as pl
import pytest
import structlog

from advertisex.catalogue.files import CatalogueFiles
from advertisex.catalogue.imports import import_catalogue, imports_of
from advertisex.catalogue.watched import WatchedCatalogue
from advertisex.errors import ConfigurationError
from advertisex.model import CATALOGUE_COLUMNS
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore
from tests.catalogues import campaign_rows, catalogue_rows

ONE = catalogue_rows({"creative_id": ["c1"], "campaign_id": ["k1"]})
TWO = catalogue_rows({"creative_id": ["c1", "c2"], "campaign_id": ["k2", "k2"]})
BOTH = campaign_rows(
    {
        "campaign_id": "k1",
        "start": datetime(2026, 1, 1),
        "end": datetime(2026, 2, 1),
        "budget": "9.5",
        "currency": "EUR",
    },
    {"campaign_id": "k1", "start": datetime(2026, 2, 1), "end": datetime(2026, 3, 1), "clicks": 5},
)
JANUARY = BOTH.head(1)


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


def test_campaigns_and_creatives_are_imported_together_or_alone(store: EventStore) -> None:
    first = import_catalogue(ONE, store, JANUARY)
    again = import_catalogue(ONE, store, JANUARY)
    second = import_catalogue(None, store, BOTH)
    third = import_catalogue(TWO, store)

    assert (again.imported_at, again.identical) == (None, True)
    assert [first.imported_at, second.imported_at, third.imported_at] == store.catalogue_imports()
    assert (store.catalogue().rows(), store.campaigns().rows()) == (TWO.rows(), BOTH.rows())
    found = list(imports_of(store))
    assert [one.campaign_change.counts["added"] for one in found] == [1, 1, 0]
    assert [(one.creatives, one.flights) for one in found] == [(1, 1), (1, 2), (2, 2)]
    assert [one.change.identical for one in (first, second, third)] == [False, True, False]


def test_campaigns_alone_are_a_catalogue(store: EventStore) -> None:
    found = import_catalogue(None, store, JANUARY)

    assert (found.creatives, found.flights, store.catalogue().height) == (0, 1, 0)
    assert store.campaigns().equals(JANUARY)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (JANUARY.drop("end"), "missing column in the catalogue: end"),
        (JANUARY.with_columns(budget=pl.lit("much")), "wrong type"),
        (JANUARY.with_columns(clicks=-1), "invalid clicks -1"),
        (JANUARY.with_columns(end="start"), "ends at"),
        (pl.concat([JANUARY, JANUARY]), "overlaps"),
    ],
)
def test_invalid_campaigns_are_rejected(store: EventStore, rows: pl.DataFrame, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what) as caught:
        import_catalogue(ONE, store, rows)

    assert caught.value.hint
    assert store.catalogue_imports() == []


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


def write(path: Path, *lines: str, header: str = "creative_id,campaign_id") -> None:
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    now = next(_TIMES)  # the clock of a file system may be coarse
    os.utime(path, ns=(now, now))


def test_a_file_is_imported_again_when_its_content_has_changed(store: EventStore, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.csv"
    write(file, "c1,k1")
    watched = WatchedCatalogue(CatalogueFiles([file]), store)
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


def test_each_of_several_files_is_watched(store: EventStore, tmp_path: Path) -> None:
    creatives, campaigns = tmp_path / "creatives.csv", tmp_path / "campaigns.csv"
    write(creatives, "c1,k1")
    write(campaigns, "k1,2026-01-01,2026-01-31,5", header="campaign_id,start,end,clicks")
    watched = WatchedCatalogue(CatalogueFiles([creatives, campaigns]), store)
    assert (watched.first.creatives, watched.first.flights) == (1, 1)

    with structlog.testing.capture_logs() as lines:
        write(campaigns, "k1,2026-01-01,2026-01-31,6", header="campaign_id,start,end,clicks")
        assert watched.import_if_changed() is not None
        write(creatives, "c1,k1", "c2,k1")
        assert watched.import_if_changed() is not None
        assert watched.import_if_changed() is None

    assert store.campaigns()["clicks"].to_list() == [6]
    assert store.catalogue().height == 2
    assert [(line.get("flights_changed"), line["added"]) for line in lines] == [(1, 0), (None, 1)]


def test_an_invalid_change_is_logged_once_and_the_catalogue_stays(store: EventStore, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.csv"
    write(file, "c1,k1")
    watched = WatchedCatalogue(CatalogueFiles([file]), store)

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
        WatchedCatalogue(CatalogueFiles([tmp_path / "absent.csv"]), store)
