"""What other campaigns of the catalogue change."""

from datetime import datetime
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from advertisex.catalogue.campaign_change import CAMPAIGN_CHANGE_COLUMNS, diff_campaigns
from advertisex.model import CAMPAIGN_COLUMNS
from tests.catalogues import campaign_rows

JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1) for month in (1, 2, 3))


def flight(campaign: str, start: datetime, **booked: Any) -> dict[str, Any]:
    return {"campaign_id": campaign, "start": start, "end": MARCH, **booked}


def test_flights_are_added_removed_and_changed_field_by_field() -> None:
    before = campaign_rows(
        flight("k1", JANUARY, budget="100", currency="EUR"),
        flight("k2", JANUARY, clicks=5),
        flight("k3", JANUARY, clicks=1),
    )
    changed = flight("k1", JANUARY, budget="100.5", currency="EUR", rate="0.25", rate_type="cpc") | {"end": FEBRUARY}
    after = campaign_rows(changed, flight("k3", JANUARY, clicks=1), flight("k3", FEBRUARY, clicks=1))

    change = diff_campaigns(before, after)

    assert dict(change.rows.schema) == CAMPAIGN_CHANGE_COLUMNS
    assert change.rows.rows() == [
        ("k1", JANUARY, "changed", "end", "2026-03-01T00:00:00Z", "2026-02-01T00:00:00Z"),
        ("k1", JANUARY, "changed", "budget", "100", "100.5"),
        ("k1", JANUARY, "changed", "rate_type", None, "cpc"),
        ("k1", JANUARY, "changed", "rate", None, "0.25"),
        ("k2", JANUARY, "removed", None, None, None),
        ("k3", FEBRUARY, "added", None, None, None),
    ]
    assert change.counts == {"added": 1, "removed": 1, "changed": 1}
    assert change.campaigns == ["k1", "k2", "k3"]
    assert not change.identical


FLIGHTS = st.lists(
    st.builds(flight, st.sampled_from("kj"), st.sampled_from([JANUARY, FEBRUARY]), clicks=st.none() | st.integers(0, 2),
              budget=st.sampled_from([None, "0", "10", "0.000000000001"])),
    max_size=4, unique_by=lambda one: (one["campaign_id"], one["start"]),
)  # fmt: skip


@given(FLIGHTS, FLIGHTS)
def test_a_change_is_empty_only_for_equal_campaigns_and_is_the_reverse_of_the_reverse(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    old, new = (campaign_rows(*rows).sort(*CAMPAIGN_COLUMNS) for rows in (before, after))

    change, reverse = diff_campaigns(old, new), diff_campaigns(new, old)

    assert change.identical == old.equals(new)
    renamed = reverse.rows.rename({"before": "after", "after": "before"}).select(*CAMPAIGN_CHANGE_COLUMNS)
    swapped = renamed.with_columns(pl.col("change").replace({"added": "removed", "removed": "added"}))
    assert change.rows.equals(swapped)
    assert change.counts["added"] - change.counts["removed"] == new.height - old.height
