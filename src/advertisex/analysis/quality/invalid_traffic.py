"""Suspected invalid traffic: events that were probably not caused by a person. They are flagged and never dropped.

    impossible_speed   five consecutive clicks of a user, or five consecutive impressions of a user on five different
                       domains, in less than one second. A person's finger taps about five times a second at best (the
                       finger tapping test of Halstead and Reitan), and a click also needs time to find the ad.
    instant_click      a click less than 300 ms after its impression (see `match_impressions`), and not at the same
                       time. A person's simple reaction time is about 250 ms, without moving a pointer. Both times need
                       a fraction of a second: a time in whole seconds is up to a second off. Not evaluated if all
                       clicks, or all impressions, have times in whole seconds.
    rate_outlier       all clicks, or impressions, of a user on a day (UTC) with far more of them than usual. With
                       x = ln(number) over all days of all users with any, m = median(x) and
                       s = max(1.4826 · median |x − m|, ln 2): more than exp(m + 3.5 · s), and at least 20 clicks or 100
                       impressions. Evaluated only with 100 users or more. The threshold is 3.5 robust standard
                       deviations: B. Iglewicz and D. Hoaglin, "How to Detect and Handle Outliers", ASQC (1993). The
                       logarithm, because such counts are skewed; at least ln 2, because most users have only one or two
                       and the spread would be 0.
    crawler            the user agent belongs to a known crawler, see `crawlers`.
    data_centre        the IP address is in a network of the given list, see `Located`. Evaluated only with a list.

An event can have several reasons. A row of the clicks feed is one event; its rate is its number of clicks.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import polars as pl

from advertisex.analysis.auctions import in_scope
from advertisex.analysis.impression_match import ANSWER_WINDOW, match_impressions
from advertisex.analysis.networks import INSIDE, INVALID, IP_KIND
from advertisex.analysis.quality.crawlers import crawlers
from advertisex.analysis.scan import EVENT_ID, categorical, scan_events, widened
from advertisex.analysis.scope import Scope
from advertisex.stores.contract import EventStore

REASONS = ("impossible_speed", "instant_click", "rate_outlier", "crawler", "data_centre")

#: The kind of invalid traffic that each reason is a sign of: general (GIVT) is known by lists, sophisticated (SIVT) by
#: behaviour. Media Rating Council, "Invalid Traffic Detection and Filtration Standards Addendum" (2020).
KINDS = {reason: "general" if reason in ("crawler", "data_centre") else "sophisticated" for reason in REASONS}

#: This many consecutive events of a user in less than this time are too fast for a person.
RUN, RUN_WITHIN = 5, timedelta(seconds=1)

#: A click sooner than this after its impression is too fast for a person.
INSTANT = timedelta(milliseconds=300)

#: Rate outliers: robust standard deviations, minimum number in a day by feed, and minimum number of users to compare.
DEVIATIONS = 3.5
LEAST = {"clicks": 20, "impressions": 100}
POPULATION = 100

#: The feeds that each reason applies to, besides those with addresses.
_APPLYING = [
    (reason, feed)
    for reason in REASONS
    if reason != "data_centre"
    for feed in ("impressions", "clicks")
    if (reason, feed) != ("instant_click", "impressions")
]

#: Converts a median absolute deviation to a standard deviation for a normal distribution.
_NORMAL = 1.4826

_SUSPECT = ["user_id", "event_time", "event_id"]

_SECOND = pl.col("event_time").dt.epoch("s").alias("second")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Clicks and impressions within a scope, read once for all checks, in no particular order.

    All frames have user_id, campaign_id, user_agent (Categorical), event_time (Datetime µs) and event_id (UInt128, see
    `EVENT_ID`); and `IP_KIND` (Categorical) where the store has it.

    Attributes:
        rows: all rows of the clicks feed, with number (Int64: clicks of the row).
        clicks: the rows with at least one click, also with answered_at and answered_id of `match_impressions`.
        impressions: the impressions, with domain (Categorical).
    """

    rows: pl.DataFrame
    clicks: pl.DataFrame
    impressions: pl.DataFrame


def gather(store: EventStore, scope: Scope) -> Traffic:
    """Read the clicks and impressions of a scope."""
    names = ("user_id", "campaign_id", "user_agent")
    columns = [*(categorical(name, pl.Categories.random()) for name in names), pl.col("event_time"), EVENT_ID]
    kinds = {feed: [categorical(IP_KIND, pl.Categories.random())] for feed in LEAST if IP_KIND in store.columns(feed)}
    rows = scan_events(store, "clicks", scope, *columns, pl.col("clicks").alias("number"), *kinds.get("clicks", []))
    clicks = rows.filter(pl.col("number") > 0)
    before = replace(widened(scope, before=ANSWER_WINDOW), campaign=scope.campaign)
    domain = categorical("domain", pl.Categories.random())
    impressions = scan_events(
        store, "impressions", before, *columns, domain, in_scope(scope, "impressions").alias("in_scope"),
        *kinds.get("impressions", []),
    )  # fmt: skip
    clicks = match_impressions(clicks, [impressions.select("user_id", "campaign_id", "event_time", "event_id")])
    return Traffic(rows, clicks, impressions.filter("in_scope").drop("in_scope"))


@dataclass(frozen=True, slots=True)
class Suspects:
    """The suspected events.

    Attributes:
        events: one row for each event and reason, in no particular order: reason, feed, user_id, event_time, event_id
            (UInt128, see `EVENT_ID`).
        rates: the daily number from which a rate is an outlier, by feed; None with too few users.
        not_evaluated: the reasons that cannot be evaluated, and why.
        evaluated: each reason and a feed that it applies to, those that cannot be evaluated among them.
        invalid_addresses: number of events whose address is invalid, by feed; only feeds with addresses.
    """

    events: pl.DataFrame
    rates: dict[str, int | None]
    not_evaluated: dict[str, str]
    evaluated: list[tuple[str, str]]
    invalid_addresses: dict[str, int]


def suspects(traffic: Traffic) -> Suspects:
    """Flag suspected events."""
    coarse = _in_whole_seconds(traffic)
    found = [_flagged("instant_click", "clicks", traffic.clicks.filter(_IS_INSTANT if not coarse else False))]
    rates: dict[str, int | None] = {}
    invalid_addresses: dict[str, int] = {}
    for feed, events, all_of_feed in (
        ("clicks", traffic.clicks, traffic.rows),
        ("impressions", traffic.impressions, traffic.impressions),
    ):
        of_users = events.with_columns(_SECOND, user=pl.col("user_id").to_physical().cast(pl.Int64))
        busy, rates[feed] = _outliers(of_users, LEAST[feed])
        found += [
            _flagged("rate_outlier", feed, busy),
            _flagged("impossible_speed", feed, _runs(of_users)),
            _flagged("crawler", feed, _of_crawlers(all_of_feed)),
        ]
        if IP_KIND in all_of_feed.columns:
            kind = all_of_feed[IP_KIND].cast(pl.String)
            found.append(_flagged("data_centre", feed, all_of_feed.filter(kind == INSIDE)))
            invalid_addresses[feed] = int((kind == INVALID).sum())
    why = f"all times of {' and '.join(coarse)} are in whole seconds"
    return Suspects(
        pl.concat(found),
        rates,
        not_evaluated={"instant_click": why} if coarse else {},
        evaluated=_APPLYING + [("data_centre", feed) for feed in invalid_addresses],
        invalid_addresses=invalid_addresses,
    )


def _in_whole_seconds(traffic: Traffic) -> list[str]:
    """The feeds of which no time has a fraction of a second, although they have events."""
    events = {"clicks": traffic.clicks["event_time"], "impressions": traffic.impressions["event_time"]}
    return [feed for feed, times in events.items() if len(times) and not (times.dt.microsecond() != 0).any()]


_IS_INSTANT = (
    (pl.col("event_time") - pl.col("answered_at")).is_between(timedelta(0), INSTANT, closed="none")
    & (pl.col("event_time").dt.microsecond() != 0)
    & (pl.col("answered_at").dt.microsecond() != 0)
)


def _flagged(reason: str, feed: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        pl.lit(reason).alias("reason"),
        pl.lit(feed).alias("feed"),
        pl.col("user_id").cast(pl.String),
        *_SUSPECT[1:],
    )


def _outliers(of_users: pl.DataFrame, least: int) -> tuple[pl.DataFrame, int | None]:
    """Return the events of outlier days, and the daily number from which a day is one."""
    if of_users["user"].n_unique() < POPULATION:
        return of_users.clear(), None
    if "number" in of_users.columns:
        days = of_users.group_by(_DAY).agg(pl.col("number").sum())
    else:  # each row counts once; faster than a group-by for many rows
        days = of_users.select(_DAY)["day"].sort().rle().struct.unnest().select(day="value", number="len")
    limit = max(least, _usual(days["number"]) + 1)
    busy = days.filter(pl.col("number") >= limit)["day"]
    return of_users.filter(_DAY.is_in(busy.implode())), limit


#: A user and a day packed into one integer: there are fewer than 2²⁴ days.
_DAY = (pl.col("user") * 2**24 + pl.col("second") // 86_400).alias("day")


def _usual(numbers: pl.Series) -> int:
    """The largest daily number that is not an outlier."""
    logarithms = np.log(numbers.to_numpy())
    median = np.median(logarithms)
    spread = max(_NORMAL * np.median(np.abs(logarithms - median)), np.log(2))
    return int(np.exp(median + DEVIATIONS * spread))


def _runs(of_users: pl.DataFrame) -> pl.DataFrame:
    """The events in a run; a run of impressions has as many distinct domains."""
    if "domain" not in of_users.columns:
        return _in_runs(_crowded(of_users), _IS_RUN)
    close = _in_runs(_crowded(of_users.drop_nulls("domain")), _IS_RUN)
    domains = pl.concat_list(pl.col("domain").to_physical().shift(-later) for later in range(RUN))
    return _in_runs(close, _IS_RUN & (domains.list.n_unique() == RUN))


def _crowded(of_users: pl.DataFrame) -> pl.DataFrame:
    """The events of a user in two consecutive seconds with enough events for a run, sorted; sorting all is slow."""
    first = pl.col("second").min()
    width = pl.col("second").max() - first + 2  # so that no two users have a second in common
    seconds = of_users.select(second=pl.col("user") * width + pl.col("second") - first)["second"]
    ordered = np.sort(seconds.to_numpy())
    starts = ordered[: 1 - RUN][ordered[RUN - 1 :] - ordered[: 1 - RUN] <= 1]
    crowded = pl.Series(np.unique(np.concatenate([starts, starts + 1])))
    return of_users.filter(seconds.is_in(crowded.implode())).sort("user", *_SUSPECT[1:])


#: Whether an event starts a run.
_IS_RUN = (pl.col("user").shift(1 - RUN) == pl.col("user")) & (
    pl.col("event_time").shift(1 - RUN) - pl.col("event_time") < RUN_WITHIN
)


def _in_runs(ordered: pl.DataFrame, starts: pl.Expr) -> pl.DataFrame:
    """The events of all runs, given the events that start one."""
    started = ordered.select(starts.fill_null(value=False)).to_series()
    within = started
    for later in range(1, RUN):
        within |= started.shift(later, fill_value=False)
    return ordered.filter(within)


def _of_crawlers(events: pl.DataFrame) -> pl.DataFrame:
    """The events of known crawlers; checks each distinct user agent once."""
    agents = events["user_agent"].unique().drop_nulls()
    known = agents.filter(crawlers(agents.cast(pl.String)))
    return events.filter(pl.col("user_agent").is_in(known.implode()))
