"""The campaigns of the catalogue in a CSV file: read exactly, or rejected with a line number."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.catalogue.campaigns import MAX_AMOUNT, MAX_COUNT
from advertisex.catalogue.campaigns_file import read_campaigns
from advertisex.catalogue.files import CatalogueFiles
from advertisex.errors import ConfigurationError
from advertisex.model import CAMPAIGN_COLUMNS, RATE_TYPES

COLUMNS = list(CAMPAIGN_COLUMNS)
HEADER = ",".join(COLUMNS)


def written(folder: Path, *lines: str, name: str = "campaigns.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def test_a_flight_is_read_exactly(tmp_path: Path) -> None:
    path = written(
        tmp_path, "name,currency,rate,rate_type,clicks,end,start,campaign_id,budget",
        "x, eur ,2.50,CPM, 7 ,2026-01-31,2026-01-01, k1 ,999999999999999999.999999999999",
        "x,,,,,2026-01-31T12:00:00Z,2026-01-31T00:00:00.5+02:00,k0,",
    )  # fmt: skip
    path.write_text(path.read_text().replace(",,,,,2026-01-31T12", ",,,,0,2026-01-31T12"))

    flights = read_campaigns(path)

    assert dict(flights.schema) == CAMPAIGN_COLUMNS
    budget, rate = Decimal("999999999999999999.999999999999"), Decimal("2.5")
    start, end = datetime(2026, 1, 30, 22, 0, 0, 500_000), datetime(2026, 1, 31, 12)
    assert flights.rows() == [
        ("k0", start, end, None, None, 0, None, None, None, None),
        ("k1", datetime(2026, 1, 1), datetime(2026, 2, 1), budget, None, 7, None, "cpm", rate, "EUR"),
    ]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo", "Pacific/Apia"])
@given(day=st.dates(datetime(1970, 1, 2).date(), datetime(2030, 1, 1).date()), days=st.integers(1, 400))
def test_days_of_a_zone_begin_and_end_where_the_next_begins(
    tmp_path_factory: pytest.TempPathFactory, zone: str, day: datetime, days: int
) -> None:
    last = day + timedelta(days=days - 1)
    path = written(
        tmp_path_factory.getbasetemp(), "campaign_id,start,end,clicks",
        f"k,{day},{last},1", f"k,{last + timedelta(days=1)},{last + timedelta(days=2)},1",
    )  # fmt: skip

    flights = read_campaigns(path, zone)

    assert flights["end"][0] == flights["start"][1]
    start = flights["start"][0].replace(tzinfo=ZoneInfo("UTC"))
    local, before = (time.astimezone(ZoneInfo(zone)) for time in (start, start - timedelta(microseconds=1)))
    assert before.date() < day <= local.date()


@pytest.mark.parametrize(
    ("zone", "text", "found"),
    [
        ("UTC", "2026-10-25T02:30:00", datetime(2026, 10, 25, 2, 30)),
        ("Europe/Berlin", "2026-07-01 00:00:00", datetime(2026, 6, 30, 22)),
        ("Europe/Berlin", "2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30)),
        ("Europe/Berlin", "2026-10-25T02:30:00", "the clocks in Europe/Berlin show it twice"),
        ("Europe/Berlin", "2026-03-29T02:30:00", "the clocks in Europe/Berlin skip it"),
        ("Africa/Cairo", "2026-04-24", datetime(2026, 4, 23, 22)),  # that day begins at 01:00
        ("UTC", "2026-02-30", "invalid start '2026-02-30'"),
        ("UTC", "01.02.2026", "invalid start"),
        ("UTC", "2026-1-5", "invalid start"),
        ("Pacific/Auckland", "0001-01-01", "invalid start"),
    ],
)
def test_a_local_time_is_one_moment_or_an_error(tmp_path: Path, zone: str, text: str, found: datetime | str) -> None:
    path = written(tmp_path, "campaign_id,start,end,clicks", f"k,{text},2029-01-01,1")
    if isinstance(found, datetime):
        assert read_campaigns(path, zone)["start"].to_list() == [found]
        return
    with pytest.raises(ConfigurationError, match=found) as caught:
        read_campaigns(path, zone)
    assert caught.value.where == f"{path}:2"
    assert ("offset" in caught.value.hint) == ("clocks" in found)


def line(**cells: object) -> str:
    given = {"campaign_id": "k", "start": "2026-01-01", "end": "2026-01-31"} | cells
    return ",".join(f'"{given.get(name, "")}"' for name in COLUMNS)


EUR = line(budget=1, currency="EUR")


@pytest.mark.parametrize(
    ("lines", "what", "number"),
    [
        ([line(clicks=1), line(campaign_id="", clicks=1)], "empty campaign_id, start or end", 3),
        ([line(end="", clicks=1)], "empty campaign_id, start or end", 2),
        ([line()], "nothing is booked for the flight of campaign 'k'", 2),
        ([line(currency="EUR")], "nothing is booked", 2),
        ([line(end="2025-12-31", clicks=1)], "ends at 2026-01-01 00:00:00 UTC", 2),
        ([line(end="2026-01-01T00:00:00", clicks=1)], "ends at", 2),
        ([line(budget="1,000.00", currency="EUR")], "invalid budget '1,000.00'", 2),
        ([line(budget="$5", currency="USD")], r"invalid budget '\$5'", 2),
        ([line(budget="-5", currency="USD")], "invalid budget '-5'", 2),
        ([line(budget="1e3", currency="USD")], "invalid budget", 2),
        ([line(budget="NaN", currency="USD")], "invalid budget", 2),
        ([line(budget="0.0000000000001", currency="USD")], "invalid budget", 2),
        ([line(budget=MAX_AMOUNT + 1, currency="USD")], "invalid budget", 2),
        ([line(clicks="1.0")], "invalid clicks '1.0'", 2),
        ([line(impressions=MAX_COUNT + 1)], "invalid impressions", 2),
        ([line(conversions="-1")], "invalid conversions '-1'", 2),
        ([line(rate=1, currency="EUR")], "only one of rate and rate_type", 2),
        ([line(rate_type="cpm", clicks=1)], "only one of rate and rate_type", 2),
        ([line(rate_type="cpx", rate=1, currency="EUR")], "unknown rate_type 'cpx'", 2),
        ([line(budget=1)], "a budget or a rate without a currency", 2),
        ([line(rate=1, rate_type="cpc")], "a budget or a rate without a currency", 2),
        ([line(budget=1, currency="EUP")], "unknown currency 'EUP'", 2),
        ([line(campaign_id="j", clicks=1), EUR, line(start="2026-01-31", clicks=1)], "overlaps another one", 4),
        ([line(start="2026-02-01", end="2026-02-01", budget=1, currency="USD"), EUR], "flights in USD and in EUR", 3),
    ],
)
def test_an_invalid_flight_is_reported_with_its_line(tmp_path: Path, lines: list[str], what: str, number: int) -> None:
    path = written(tmp_path, HEADER, *lines)
    with pytest.raises(ConfigurationError, match=what) as caught:
        read_campaigns(path)
    assert caught.value.where == f"{path}:{number}"
    assert caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("header", "what"),
    [
        ("campaign_id,start,clicks", "missing column in the catalogue: end"),
        ("campaign_id,start,end,clicks,clicks", "repeated column in the catalogue: clicks"),
        ("campaign_id,start,end,clicks,Budget", "unknown column 'Budget'.* no column budget"),
        ("campaign_id,start,end,booked_clicks", "unknown column 'booked_clicks'.* no column clicks"),
        ("campaign_id,start,end,impresions", "unknown column 'impresions'.* no column impressions"),
    ],
)
def test_a_header_that_could_be_misread_is_rejected(tmp_path: Path, header: str, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what) as caught:
        read_campaigns(written(tmp_path, header, "k,2026-01-01,2026-01-31,1,1"))
    assert caught.value.where.endswith("campaigns.csv:1")


def test_campaigns_without_flights_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the catalogue has no campaigns"):
        read_campaigns(written(tmp_path, HEADER))


AMOUNTS = st.decimals(0, int(MAX_AMOUNT), places=12, allow_nan=False)
COUNTS = st.integers(0, MAX_COUNT)


@given(
    st.fixed_dictionaries(
        {"campaign_id": st.sampled_from(["k", 'a,"b"', "é\U0001f642"]), "clicks": COUNTS, "currency": st.just("EUR")},
        optional={"budget": AMOUNTS, "impressions": COUNTS, "conversions": COUNTS},
    ),
    st.none() | st.tuples(st.sampled_from(RATE_TYPES), AMOUNTS),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, booked: dict[str, object], rate: tuple[str, Decimal] | None
) -> None:
    if rate is not None:
        booked |= dict(zip(("rate_type", "rate"), rate, strict=True))
    times = {"start": datetime(2026, 1, 1), "end": datetime(2026, 2, 1)}
    rows = pl.DataFrame([dict.fromkeys(COLUMNS) | booked | times], schema=CAMPAIGN_COLUMNS)
    path = tmp_path_factory.getbasetemp() / "campaigns.csv"
    rows.write_csv(path)

    assert read_campaigns(path).rows() == rows.rows()


# -- files of both kinds -------------------------------------------------------------------------------------------

CREATIVES = ("creative_id,campaign_id", "c1,k")
CAMPAIGNS = ("campaign_id,start,end,clicks", "k,2026-01-01,2026-01-31,5")


def test_files_are_recognised_by_their_header(tmp_path: Path) -> None:
    paths = [written(tmp_path, *CAMPAIGNS, name="a.csv"), written(tmp_path, *CREATIVES, name="b.csv")]

    for order in (paths, paths[::-1]):
        creatives, campaigns = CatalogueFiles(order, zone="Europe/Berlin").read()
        assert creatives is not None
        assert creatives["creative_id"].to_list() == ["c1"]
        assert campaigns is not None
        assert campaigns["start"].to_list() == [datetime(2025, 12, 31, 23)]
    assert CatalogueFiles(paths[:1]).read().creatives is None
    assert CatalogueFiles(paths[1:]).read().campaigns is None


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ((CREATIVES, CREATIVES), "two files of creatives"),
        ((CAMPAIGNS, CREATIVES, CAMPAIGNS), "two files of campaigns"),
        ((("campaign_id,end", "k,2026-01-31"),), "neither creatives nor campaigns"),
        ((("creative_id;campaign_id", "c1;k"),), "neither creatives nor campaigns"),
        ((("",),), "neither creatives nor campaigns"),
        ((("creative_id,campaign_id,start,end", "c1,k,2026-01-01,2026-01-31"),), "columns of campaigns: start, end"),
    ],
)
def test_files_that_are_not_one_of_each_kind_are_rejected(
    tmp_path: Path, files: tuple[tuple[str, ...], ...], what: str
) -> None:
    paths = [written(tmp_path, *lines, name=f"{number}.csv") for number, lines in enumerate(files)]
    with pytest.raises(ConfigurationError, match=what) as caught:
        CatalogueFiles(paths).read()
    assert caught.value.where.startswith(str(paths[-1]))
    assert caught.value.hint
