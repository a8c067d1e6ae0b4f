"""Suspected invalid traffic: events that hardly a person made. They are flagged, with a reason, and never dropped.

    impossible_speed   five clicks of one user, or five impressions of one user on five different domains in a row,
                       within less than one second. A finger that does nothing else taps about five times a second (the
                       finger tapping test of Halstead and Reitan); a click on an ad also has to find the ad.
    instant_click      a click less than 300 ms after the impression that it answers (see `answered`): a person sees
                       something and presses a waiting key in about 250 ms, without looking for the place.
    rate_outlier       all of a user's clicks, or impressions, of a day (UTC) on which they are far more than usual.
                       With x = ln(number), over all users' days that have any, m = median(x) and
                       s = max(1.4826 · median |x − m|, ln 2): more than exp(m + 3.5 · s), and at least 20 clicks or 100
                       impressions; asked only of 100 users or more. 3.5 robust standard deviations: B. Iglewicz and
                       D. Hoaglin, "How to Detect and Handle Outliers", ASQC (1993). The logarithm, since such numbers
                       are skewed; ln 2, since most users have one or two and no spread could be seen.
    crawler            the user agent is a known crawler's, see `crawlers`.

An event may have several reasons. A row of the clicks feed counts as one event; its rate is its number of clicks.
"""

from datetime import timedelta

import numpy as np
import polars as pl

from advertisex.analysis.crawlers import crawlers
from advertisex.analysis.evidence import Traffic

REASONS = ("impossible_speed", "instant_click", "rate_outlier", "crawler")

#: So many events of a user within less than that are a run that no person makes.
RUN, RUN_WITHIN = 5, timedelta(seconds=1)

#: A click that comes sooner after its impression is no person's.
INSTANT = timedelta(milliseconds=300)

#: Rates: robust standard deviations, least number in a day by feed, and least number of users to compare with.
DEVIATIONS = 3.5
LEAST = {"clicks": 20, "impressions": 100}
POPULATION = 100
#: Turns a median absolute deviation into a standard deviation, where x is normally distributed.
_NORMAL = 1.4826

_SUSPECT = ["user_id", "event_time", "event_id"]

_SECOND = pl.col("event_time").dt.epoch("s").alias("second")


def suspects(traffic: Traffic) -> tuple[pl.DataFrame, dict[str, int | None]]:
    """Flag the events of a scope.

    Args:
        traffic: the events that are judged, and compared.

    Returns:
        One row for each event and reason, in no particular order: reason, feed, user_id, event_time, event_id (UInt128,
        see `lean`); and for each feed the number in a day from which a rate is an outlier, None with too few users.
    """
    found = [_flagged("instant_click", "clicks", traffic.clicks.filter(_IS_INSTANT))]
    rates: dict[str, int | None] = {}
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
    return pl.concat(found), rates


_IS_INSTANT = pl.col("event_time") - pl.col("answered_at") < INSTANT


def _flagged(reason: str, feed: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        pl.lit(reason).alias("reason"),
        pl.lit(feed).alias("feed"),
        pl.col("user_id").cast(pl.String),
        *_SUSPECT[1:],
    )


def _outliers(of_users: pl.DataFrame, least: int) -> tuple[pl.DataFrame, int | None]:
    """The events of days with far more than usual, and from what number on a day is one."""
    if of_users["user"].n_unique() < POPULATION:
        return of_users.clear(), None
    if "number" in of_users.columns:
        days = of_users.group_by(_DAY).agg(pl.col("number").sum())
    else:  # the same for rows that count once, and faster where there are very many
        days = of_users.select(_DAY)["day"].sort().rle().struct.unnest().select(day="value", number="len")
    limit = max(least, _usual(days["number"]) + 1)
    busy = days.filter(pl.col("number") >= limit)["day"]
    return of_users.filter(_DAY.is_in(busy.implode())), limit


#: A user and a day as one number: there are fewer than 2²⁴ days.
_DAY = (pl.col("user") * 2**24 + pl.col("second") // 86_400).alias("day")


def _usual(numbers: pl.Series) -> int:
    """The largest number in a day that is not far from the others."""
    logarithms = np.log(numbers.to_numpy())
    middle = np.median(logarithms)
    spread = max(_NORMAL * np.median(np.abs(logarithms - middle)), np.log(2))
    return int(np.exp(middle + DEVIATIONS * spread))


def _runs(of_users: pl.DataFrame) -> pl.DataFrame:
    """The events that are in a run, of impressions: of as many domains."""
    if "domain" not in of_users.columns:
        return _in_runs(_crowded(of_users), _IS_RUN)
    close = _in_runs(_crowded(of_users.drop_nulls("domain")), _IS_RUN)
    domains = pl.concat_list(pl.col("domain").to_physical().shift(-later) for later in range(RUN))
    return _in_runs(close, _IS_RUN & (domains.list.n_unique() == RUN))


def _crowded(of_users: pl.DataFrame) -> pl.DataFrame:
    """The events in two seconds with at least as many as a run has, by user, time and id: to sort all takes long."""
    first = pl.col("second").min()
    width = pl.col("second").max() - first + 2  # so that two users are never a second apart
    places = of_users.select(place=pl.col("user") * width + pl.col("second") - first)["place"]
    rising = np.sort(places.to_numpy())
    begins = rising[: 1 - RUN][rising[RUN - 1 :] - rising[: 1 - RUN] <= 1]
    crowded = pl.Series(np.unique(np.concatenate([begins, begins + 1])))
    return of_users.filter(places.is_in(crowded.implode())).sort("user", *_SUSPECT[1:])


#: Whether an event begins a run.
_IS_RUN = (pl.col("user").shift(1 - RUN) == pl.col("user")) & (
    pl.col("event_time").shift(1 - RUN) - pl.col("event_time") < RUN_WITHIN
)


def _in_runs(ordered: pl.DataFrame, begins: pl.Expr) -> pl.DataFrame:
    """The events of all runs, of which these begin one."""
    begun = ordered.select(begins.fill_null(value=False)).to_series()
    within = begun
    for later in range(1, RUN):
        within |= begun.shift(later, fill_value=False)
    return ordered.filter(within)


def _of_crawlers(events: pl.DataFrame) -> pl.DataFrame:
    """The events of known crawlers; each distinct user agent is looked up once."""
    agents = events["user_agent"].unique().drop_nulls()
    known = agents.filter(crawlers(agents.cast(pl.String)))
    return events.filter(pl.col("user_agent").is_in(known.implode()))
