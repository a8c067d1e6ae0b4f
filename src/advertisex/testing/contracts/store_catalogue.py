"""The catalogue in an event store: its imports, and the catalogue as of a time."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from advertisex.model import CAMPAIGN_COLUMNS, CATALOGUE_COLUMNS
from advertisex.stores.contract import EventStore
from advertisex.testing.contracts.store_fixtures import OpenStore, StoreFixtures, outcome_of

_TICK = timedelta(microseconds=1)


class StoreCatalogue(StoreFixtures):
    """The contract of the catalogue of `EventStore`."""

    def test_a_new_store_has_no_catalogue(self, store: EventStore) -> None:
        assert store.catalogue_imports() == []
        assert store.catalogue().is_empty()
        assert dict(store.catalogue().schema) == CATALOGUE_COLUMNS
        assert store.campaigns().is_empty()
        assert dict(store.campaigns().schema) == CAMPAIGN_COLUMNS

    def test_a_catalogue_is_read_back_as_it_was_imported(self, reopen_store: OpenStore) -> None:
        moved = datetime(2026, 1, 5, 10, 0, 0, 1)
        rows = [
            ("c1", "k1", None, None),
            ("c1", "k2", "é\U0001f642\n", moved),
            ("c2", "k1", "a1", datetime(1970, 1, 1)),
        ]
        with reopen_store() as store:
            imported_at = store.import_catalogue(rows_of(*reversed(rows)))
        with reopen_store(read_only=True) as store:
            assert dict(store.catalogue().schema) == CATALOGUE_COLUMNS
            assert store.catalogue().rows() == rows
            assert store.catalogue_imports() == [imported_at]

    def test_the_catalogue_as_of_a_time_is_the_last_import_by_then(self, store: EventStore) -> None:
        first, second, third = (
            store.import_catalogue(rows_of(*rows))
            for rows in ([("c", "k1", None, None)], [], [("c", "k3", None, None)])
        )

        assert store.catalogue_imports() == [first, second, third]
        assert store.catalogue(first - _TICK).is_empty()
        for time in (first, second - _TICK):
            assert store.catalogue(time)["campaign_id"].to_list() == ["k1"]
        assert store.catalogue(second).is_empty()
        for later in (third, datetime(2200, 1, 1), datetime(9999, 1, 1), None):
            assert store.catalogue(later)["campaign_id"].to_list() == ["k3"]
        assert store.catalogue(datetime(1900, 1, 1)).is_empty()

    def test_campaigns_are_read_back_as_they_were_imported(self, reopen_store: OpenStore) -> None:
        first, second, third = datetime(1970, 1, 1), datetime(2026, 1, 31, 23, 0, 0, 1), datetime(9999, 12, 31)
        largest, smallest = Decimal("999999999999999999.999999999999"), Decimal("0.000000000001")
        nothing = dict.fromkeys(CAMPAIGN_COLUMNS)
        rows = [
            nothing | {"campaign_id": "K", "start": first, "end": second, "impressions": 2**63 - 1},
            nothing | {"campaign_id": "k", "start": first, "end": second, "clicks": 0, "conversions": 1},
            dict(
                zip(CAMPAIGN_COLUMNS, ("k", second, third, largest, 0, 10**18, 3, "cpm", smallest, "EUR"), strict=True)
            ),
            nothing | {"campaign_id": "é\U0001f642\n", "start": first, "end": third, "budget": Decimal(0)},
        ]
        with reopen_store() as store:
            imported_at = store.import_catalogue(rows_of(("c1", "k", None, None)), flights_of(*reversed(rows)))
        with reopen_store(read_only=True) as store:
            assert dict(store.campaigns().schema) == CAMPAIGN_COLUMNS
            assert store.campaigns().rows(named=True) == rows
            assert store.catalogue().rows() == [("c1", "k", None, None)]
            assert store.catalogue_imports() == [imported_at]

    def test_the_campaigns_as_of_a_time_are_those_of_the_last_import_by_then(self, store: EventStore) -> None:
        times = [
            store.import_catalogue(creatives, campaigns)
            for creatives, campaigns in (
                (rows_of(), flights_of(_flight("k1"))),
                (rows_of(("c", "k2", None, None)), None),
                (rows_of(("c", "k3", None, None)), flights_of(_flight("k4"), _flight("k3"))),
            )
        ]

        assert store.catalogue_imports() == times
        assert store.campaigns(times[0] - _TICK).is_empty()
        found = [store.campaigns(time)["campaign_id"].to_list() for time in (times[0], times[1] - _TICK, *times[1:])]
        assert found == [["k1"], ["k1"], [], ["k3", "k4"]]
        assert store.campaigns()["campaign_id"].to_list() == ["k3", "k4"]
        assert [store.catalogue(time).height for time in times] == [0, 1, 1]

    def test_an_import_is_a_commit_among_the_others(self, store: EventStore) -> None:
        times: list[datetime] = []
        for start in range(3):
            store.commit(outcome_of("clicks", {"user_id": f"u{start}"}, start=start))
            committed = store.settled()
            assert committed is not None
            times.append(committed)
            times.append(store.import_catalogue(rows_of(("c", f"k{start}", None, None))))
            assert store.settled() == times[-1]

        assert times == sorted(set(times))
        assert store.commits()["committed_at"].to_list() == times[::2]
        assert store.ledger()[0].counts.read == 3

    def test_a_large_catalogue(self, store: EventStore) -> None:
        number = 100_000
        creatives = [f"creative-{i:06}-{'x' * 40}" for i in range(number)]
        rows = pl.DataFrame({"creative_id": creatives, "campaign_id": creatives}).with_columns(
            advertiser_id=pl.lit(None, pl.String), valid_from=pl.lit(None, pl.Datetime("us"))
        )

        store.import_catalogue(rows)

        assert store.catalogue().equals(rows)


def rows_of(*rows: tuple[str, str, str | None, datetime | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=CATALOGUE_COLUMNS, orient="row")


def flights_of(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=CAMPAIGN_COLUMNS)


def _flight(campaign: str) -> dict[str, Any]:
    times = {"start": datetime(2026, 1, 1), "end": datetime(2026, 2, 1)}
    return dict.fromkeys(CAMPAIGN_COLUMNS) | times | {"campaign_id": campaign, "clicks": 1}
