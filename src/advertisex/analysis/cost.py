"""What impressions, clicks, conversions and flights cost, exactly.

An impression costs the first of these that is known:

    cost            the cost that its event states
    price_paid      the price paid of the bid that it selects, see `auctions`
    clearing_price  a thousandth of the clearing price that its event states (OpenRTB's prices are for a thousand)
    rate            a thousandth of the CPM of its flight, see `flights`
    bid             the amount of the bid that it selects, if its flight has no rate: the winner pays its bid

A bid is paid once, for the first impression that selects it. In a flight with a rate per click or conversion (CPC,
CPA), a click or conversion costs the rate, unless the impression that it is matched to has a cost of the first three
kinds. A fixed fee is spread evenly over the time of its flight, and covers its impressions, whatever they state.

So a cost depends neither on the range of a question nor on other events of the range, and the parts of a range add up
to the whole. A cost is an integer in units of 10⁻¹⁵, which makes a thousandth of an amount exact.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import polars as pl

from advertisex.analysis.auctions import has_few_bids, selected_bids
from advertisex.analysis.calendar import Period, limits
from advertisex.analysis.flights import flights_of
from advertisex.analysis.groups import group_frames
from advertisex.analysis.impression_match import ANSWER_WINDOW, match_impressions
from advertisex.analysis.money import units
from advertisex.analysis.scan import EVENT_ID, scan_frames, widened
from advertisex.analysis.scope import Scope
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import AMOUNT
from advertisex.model import MONEY
from advertisex.stores.contract import EventStore, Range

#: Decimal places of a cost.
COST = MONEY + 3

#: Where a cost comes from, in order of precedence; a fee is that of a flight.
SOURCES = ("cost", "price_paid", "clearing_price", "rate", "bid", "fee")

#: The columns of a cost: its amount in units of 10⁻¹⁵, its currency and its source; null without a cost.
CHARGE: dict[str, pl.DataType] = {"charge": pl.Int128(), "currency": pl.String(), "source": pl.Enum(SOURCES)}

#: The sources of an impression that come before the rate.
_STATED = SOURCES[:3]
#: The amounts of an impression that state its cost.
_OWN_AMOUNTS = ("cost", "clearing_price")
_OWN = (*map(pl.col, ("campaign_id", "event_time", *_OWN_AMOUNTS)), pl.col("currency").alias("own_currency"))
_PRICES: dict[str, pl.DataType] = {"bid_price_paid": AMOUNT, "bid_amount": AMOUNT, "bid_currency": pl.String()}
#: An event without a cost and a bid.
_NOTHING = dict.fromkeys(_OWN_AMOUNTS, AMOUNT) | {"own_currency": pl.String()} | _PRICES
_THOUSAND = 10 ** (COST - MONEY)
_FLIGHT = ("rate_type", "rate", "currency")


def impression_costs(
    store: EventStore, scope: Scope, *columns: pl.Expr, among: pl.Series | None = None
) -> Iterator[pl.DataFrame]:
    """Read the impressions of a scope and what each costs, frame by frame, in no particular order.

    Args:
        store: the event store.
        scope: selects the impressions.
        columns: expressions over the impressions, none of them named like these.
        among: only impressions of these users; the series is named user_id.

    Yields:
        campaign_id, event_time, event_id (UInt128), the columns, and `CHARGE`. The first frame is empty.
    """
    flights, paid = flights_of(store, scope), _prices(store, scope)
    names = ["campaign_id", "event_time", "event_id", *(expression.meta.output_name() for expression in columns)]
    for frame in scan_frames(store, "impressions", scope, EVENT_ID, *_OWN, *columns, among=among):
        priced = flights.join(frame, *_FLIGHT).join(paid, on="event_id", how="left", maintain_order="left")
        yield priced.select(*names, *_charge())


def impression_charges(
    store: EventStore, scope: Scope, *columns: pl.Expr, edges: Iterable[datetime] = ()
) -> Iterator[pl.DataFrame]:
    """Count the impressions of a scope and sum up what they cost; see `impression_costs`.

    Impressions without a cost of their own and a bid cost what their flight says, so the store counts them. If there
    are few bids, it counts those with a bid, too: they are added with their own cost, and subtracted at the cost they
    were counted with. Otherwise, all impressions are read.

    Args:
        store: the event store.
        scope: selects the impressions.
        columns: expressions over the impressions, none of them named like these.
        edges: where they depend on `event_time`, they change only at these times (naive UTC), in any order.

    Yields:
        campaign_id, event_time (between the same edges as the impressions), the columns, events (i64; negative for what
        is subtracted), `CHARGE` of all these events together, and largest (Int128): the charge of one of them. Sums
        over all frames are those of the impressions. The first frame is empty.
    """
    if not has_few_bids(store, scope):
        one = pl.lit(1, pl.Int64).alias("events")
        yield from (
            frame.with_columns(one, largest="charge").drop("event_id")
            for frame in impression_costs(store, scope, *columns)
        )
        return
    flights, selected = flights_of(store, scope), selected_bids(store, scope, *_OWN, *columns)
    names = ["campaign_id", "event_time", *(expression.meta.output_name() for expression in columns)]

    def charged(rows: pl.DataFrame, events: str | int) -> pl.DataFrame:
        number = pl.lit(events, pl.Int64) if isinstance(events, int) else pl.col(events)
        costs = flights.join(rows, *_FLIGHT).select(*names, number.alias("events"), *_charge())
        return costs.with_columns(pl.col("charge") * pl.col("events"), largest="charge")

    borders = {time for name in ("start", "end") for time in flights.rows[name]}
    own = (pl.col("campaign_id"), *columns)
    for groups in group_frames(store, "impressions", scope, *own, edges=borders.union(edges), lacking=_OWN_AMOUNTS):
        yield charged(_nulled(groups, _NOTHING), "_events")
    stated = replace(scope.within, having=_OWN_AMOUNTS)
    for frame in scan_frames(store, "impressions", scope, EVENT_ID, *_OWN, *columns, within=stated):
        yield charged(_nulled(frame.join(selected, on="event_id", how="anti"), _PRICES), 1)
    yield charged(selected, 1)
    is_counted = pl.all_horizontal(pl.col(_OWN_AMOUNTS).is_null())
    yield charged(_nulled(selected.filter(is_counted), _PRICES), -1)


def _nulled(events: pl.DataFrame, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Set these columns to null, adding those that are missing."""
    return events.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in columns.items())


def _prices(store: EventStore, scope: Scope) -> pl.DataFrame:
    """The prices of `selected_bids`; without any bids, no impression is read."""
    if store.last_time("bids", Range(as_of=scope.as_of)) is not None:
        return selected_bids(store, scope)
    return pl.DataFrame(schema={"event_id": pl.UInt128(), **_PRICES})


def _charge() -> list[pl.Expr]:
    """`CHARGE` of an impression with its flight and the prices of its bid."""
    rate_type = pl.col("flight_rate_type")
    known = [
        ("cost", units("cost") * _THOUSAND, "own_currency"),
        ("price_paid", units("bid_price_paid") * _THOUSAND, "bid_currency"),
        ("clearing_price", units("clearing_price"), "own_currency"),
        ("rate", pl.when(rate_type == "cpm").then(units("flight_rate")), "flight_currency"),
        ("bid", pl.when(rate_type.is_null()).then(units("bid_amount") * _THOUSAND), "bid_currency"),
    ]
    found = {name: pl.lit(None, dtype) for name, dtype in CHARGE.items()}
    for name, amount, currency in reversed(known):
        values = {
            "charge": amount.cast(pl.Int128),
            "currency": pl.col(currency),
            "source": pl.lit(name, CHARGE["source"]),
        }
        found = {
            column: pl.when(amount.is_not_null()).then(values[column]).otherwise(found[column]) for column in CHARGE
        }
    is_charged = rate_type.ne_missing("fixed")
    return [pl.when(is_charged).then(value).alias(column) for column, value in found.items()]


def click_costs(store: EventStore, scope: Scope, rows: pl.DataFrame) -> pl.DataFrame:
    """Add `CHARGE` to rows of the clicks feed, in unchanged order: what their clicks or conversions cost.

    Args:
        store: the event store.
        scope: the scope that the rows were read from.
        rows: user_id, campaign_id (String), event_time, clicks, conversions, and any other columns.
    """
    rate_type, rate = pl.col("flight_rate_type"), units("flight_rate") * _THOUSAND
    count = pl.when(rate_type == "cpc").then("clicks").when(rate_type == "cpa").then("conversions")
    priced = flights_of(store, scope).join(rows, *_FLIGHT).with_row_index("_row")
    priced = priced.with_columns(charge=pl.when(count > 0).then(count.cast(pl.Int128) * rate))
    stated = _rows_with_stated_cost(store, scope, priced.drop_nulls("charge"))
    is_charged = pl.col("charge").is_not_null() & ~pl.col("_row").is_in(stated.implode())
    found = {
        "charge": pl.col("charge"),
        "currency": pl.col("flight_currency"),
        "source": pl.lit("rate", CHARGE["source"]),
    }
    return priced.select(*rows.columns, *(pl.when(is_charged).then(value).alias(name) for name, value in found.items()))


def _rows_with_stated_cost(store: EventStore, scope: Scope, rows: pl.DataFrame) -> pl.Series:
    """The `_row` of the rows that are matched to an impression whose event or auction states its cost."""
    if rows.is_empty():
        return rows["_row"]
    users = rows["user_id"].unique().cast(pl.String)
    before = widened(scope, before=ANSWER_WINDOW)
    stated = pl.col("source").cast(pl.String).is_in(_STATED).fill_null(False).alias("is_stated")
    impressions = (
        frame.select("user_id", "campaign_id", "event_time", "event_id", stated)
        for frame in impression_costs(store, before, pl.col("user_id"), among=users)
    )
    asked = rows.select("_row", pl.col("user_id", "campaign_id").cast(pl.String), "event_time")
    return match_impressions(asked, impressions).filter("is_stated")["_row"]


def fees(store: EventStore, scope: Scope, unit: Period | None = None, *, now: datetime | None = None) -> pl.DataFrame:
    """The part of each fixed fee that is due in a scope, by calendar period or in total.

    The fee that is due at a time is the fee × (time − start) / (end − start), rounded down to 10⁻¹⁵; that of an
    interval is a difference of two, so the intervals of a flight add up to its fee. Nothing is due after the current
    time.

    Args:
        store: the event store.
        scope: a campaign selects its flights; a filter on fields of impressions selects none, since a fee belongs to no
            event.
        unit: the calendar period.
        now: the current time; default: that of the last event.

    Returns:
        campaign_id, event_time (a time in the interval), and `CHARGE`; without intervals that cost nothing.
    """
    rows = []
    flights = _fixed_flights(store, scope)
    known = now or (last_event(store, scope.as_of) if flights else None)
    for flight in flights:
        if known is None or scope.campaign not in (None, flight["campaign_id"]):
            continue
        first = max(flight["start"], scope.since or flight["start"])
        last = min(flight["end"], known, scope.until or known)
        fee, length = int(flight["rate"].scaleb(COST)), flight["end"] - flight["start"]
        for start, end in pairwise(limits(first, last, unit, scope.zone)):
            before, after = (fee * _micros(time - flight["start"]) // _micros(length) for time in (start, end))
            if after > before:
                rows.append((flight["campaign_id"], start, after - before, flight["currency"], "fee"))
    return pl.DataFrame(
        rows, schema={"campaign_id": pl.String(), "event_time": pl.Datetime("us"), **CHARGE}, orient="row"
    )


def _fixed_flights(store: EventStore, scope: Scope) -> list[dict[str, Any]]:
    """The flights with a fixed fee; none if fields of impressions select the events."""
    if scope.values_of("impressions"):
        return []
    return flights_of(store, scope).rows.filter(pl.col("rate_type") == "fixed").to_dicts()


def last_event(store: EventStore, as_of: datetime | None) -> datetime | None:
    """The time of the last event of any feed, as of a time; None without events."""
    times = (store.last_time(feed, Range(as_of=as_of)) for feed in FEEDS)
    return max((time for time in times if time is not None), default=None)


def _micros(duration: timedelta) -> int:
    return duration // timedelta.resolution
