"""What a new catalogue changes, compared with a model that looks at every creative at every time."""

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.catalogue.change import CHANGE_COLUMNS, diff_catalogues
from tests.catalogues import catalogue_rows

FEBRUARY, MARCH, APRIL = datetime(2026, 2, 1), datetime(2026, 3, 1), datetime(2026, 4, 1)

_ALWAYS = datetime(1, 1, 1)

#: A catalogue: (campaign, advertiser) by creative and valid_from.
Entries = dict[tuple[str, datetime | None], tuple[str, str | None]]


def catalogue(entries: Entries) -> pl.DataFrame:
    return catalogue_rows(
        {
            "creative_id": [creative for creative, _ in entries],
            "campaign_id": [campaign for campaign, _ in entries.values()],
            "advertiser_id": pl.Series([advertiser for _, advertiser in entries.values()], dtype=pl.String),
            "valid_from": pl.Series([time for _, time in entries], dtype=pl.Datetime("us")),
        }
    )


def at(entries: Entries, creative: str, time: datetime | None) -> tuple[str | None, str | None]:
    """The campaign and the advertiser of a creative at a time; None is before all times."""
    reached = [key for key in entries if key[0] == creative and (key[1] is None or (time and key[1] <= time))]
    return entries[max(reached, key=lambda key: key[1] or _ALWAYS)] if reached else (None, None)


OLD: Entries = {("c1", None): ("k1", "a"), ("c2", None): ("k2", "a"), ("c2", MARCH): ("k3", "a")}


@pytest.mark.parametrize(
    ("new", "counts", "campaigns", "rewritten"),
    [
        (OLD, (0, 0, 0, 0), [], []),
        (OLD | {("c9", None): ("k9", None)}, (1, 0, 0, 0), ["k9"], []),
        (OLD | {("c1", None): ("k9", "a")}, (0, 0, 1, 0), ["k1", "k9"], ["k1", "k9"]),
        (OLD | {("c1", FEBRUARY): ("k9", "a")}, (0, 0, 1, 0), ["k1", "k9"], []),
        (OLD | {("c2", APRIL): ("k2", "a")}, (0, 0, 1, 0), ["k2", "k3"], []),
        # a row before one that was there, and a row without the one that was there before it
        (OLD | {("c2", FEBRUARY): ("k9", "a")}, (0, 0, 1, 0), ["k2", "k9"], ["k2", "k9"]),
        (
            {("c1", FEBRUARY): ("k1", "a"), **{key: OLD[key] for key in OLD if key[0] == "c2"}},
            (0, 0, 1, 0), ["k1"], ["k1"],
        ),
        ({key: OLD[key] for key in OLD if key[0] == "c2"}, (0, 1, 0, 0), ["k1"], ["k1"]),
        (OLD | {("c1", None): ("k1", "b")}, (0, 0, 0, 1), ["k1"], []),
        ({}, (0, 2, 0, 0), ["k1", "k2", "k3"], ["k1", "k2", "k3"]),
    ],
)  # fmt: skip
def test_the_changes(new: Entries, counts: tuple[int, ...], campaigns: list[str], rewritten: list[str]) -> None:
    change = diff_catalogues(catalogue(OLD), catalogue(new))

    assert tuple(change.counts.values()) == counts
    assert change.campaigns == campaigns
    assert change.rewritten == rewritten
    assert change.identical == (new == OLD)


def test_a_row_that_repeats_the_campaign_is_another_catalogue_without_changes() -> None:
    change = diff_catalogues(catalogue(OLD), catalogue(OLD | {("c1", MARCH): ("k1", "a")}))

    assert not change.identical
    assert change.rows.is_empty()


def test_the_order_of_rows_does_not_matter() -> None:
    assert diff_catalogues(catalogue(OLD), catalogue(OLD).reverse()).identical


def test_a_row_names_both_campaigns_and_the_time_from_which_they_differ() -> None:
    new = {("c1", None): ("k1", "a"), ("c1", APRIL): ("k4", "b"), ("c2", None): ("k2", "a")}

    rows = diff_catalogues(catalogue(OLD), catalogue(new)).rows

    assert dict(rows.schema) == CHANGE_COLUMNS
    assert rows.rows() == [
        ("c1", "moved", APRIL, "k1", "k4", "a", "b", False),
        ("c2", "moved", MARCH, "k3", "k2", "a", "a", True),
    ]


times = st.none() | st.integers(0, 4).map(lambda months: FEBRUARY + timedelta(days=30 * months))
entries = st.dictionaries(
    st.tuples(st.sampled_from(["c1", "c2", "c3"]), times),
    st.tuples(st.sampled_from(["k1", "k2", "k3"]), st.sampled_from(["a", "b", None])),
    max_size=7,
)


@given(old=entries, new=entries)
def test_every_creative_at_every_time(old: Entries, new: Entries) -> None:
    change = diff_catalogues(catalogue(old), catalogue(new))

    points = sorted({*old, *new}, key=lambda key: (key[0], key[1] or _ALWAYS))
    differing = [key for key in points if at(old, *key) != at(new, *key)]
    assert [(row[0], row[2]) for row in change.rows.iter_rows()] == differing
    for creative, kind, time, before, after, advertiser_before, advertiser_after, rewrites in change.rows.iter_rows():
        assert (before, advertiser_before) == at(old, creative, time)
        assert (after, advertiser_after) == at(new, creative, time)
        of_old, of_new = ([key[1] for key in one if key[0] == creative] for one in (old, new))
        moves = any(at(old, *key)[0] != at(new, *key)[0] for key in points if key[0] == creative)
        known = "added" if not of_old else "removed" if not of_new else "moved" if moves else "advertiser"
        assert kind == known
        later = time is not None and all(one is None or one < time for one in of_old)
        assert rewrites == (before is not None and before != after and not later)
    assert change.identical == (old == new)
