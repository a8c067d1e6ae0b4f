"""Quality: how late events came, what was refused, what contradicts what, and which traffic hardly a person made.

See `delays`, `intake`, `discrepancies` and `invalid_traffic` for the definitions. Nothing that is doubted is dropped:
it stays in every other answer.
"""

from typing import Any

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.answered import ANSWER_WINDOW
from advertisex.analysis.auctions import AUCTION_WINDOW
from advertisex.analysis.crawlers import PACKAGE, list_version
from advertisex.analysis.delays import delays
from advertisex.analysis.discrepancies import CLICK_WINDOW, VIEW_WINDOW, discrepancies
from advertisex.analysis.evidence import gather
from advertisex.analysis.intake import ledger_hours, ledger_totals, reject_hours, reject_totals
from advertisex.analysis.intervals import ratio
from advertisex.analysis.invalid_traffic import (
    DEVIATIONS,
    INSTANT,
    LEAST,
    POPULATION,
    REASONS,
    RUN,
    RUN_WITHIN,
    suspects,
)
from advertisex.analysis.listing import LISTED, earliest, listed
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

DEFINITION = "quality/1"

#: So many suspected users are named, those with most events.
SUSPECTED_USERS = 10

#: Which messages the tables of the intake are about: their titles say so, since it is not what was asked for.
_WHOLE = "whole store (no --since, --until, --campaign)"
_PROCESSED = f"by hour of processing, share of those read, {_WHOLE}"

#: Which reason is looked for in which feed.
_EVALUATED = [
    (reason, feed)
    for reason in REASONS
    for feed in ("impressions", "clicks")
    if (reason, feed) != ("instant_click", "impressions")
]


def quality(store: EventStore, scope: Scope, *, limit: int = LISTED) -> Answer:
    """Judge the events within the scope, and how the messages of the whole store were taken in.

    Args:
        store: where the events are.
        scope: which events are judged; of the intake only its `as_of` matters, see `intake`.
        limit: list at most so many events of each reason and of each discrepancy, and so many creatives.

    Returns:
        The tables `delays` (see `delays`), `ledger` (by feed) and `ledger_hours`, `rejects` (by feed, kind and reason)
        and `reject_hours` (see `intake`), `discrepancies` and `creatives_without_campaign` (see `discrepancies`),
        `doubted`: discrepancy, and of the events that it counts, the earliest first, the columns of `listing.listed`;
        and of what is suspected:
        `suspected`: reason, feed, events, users, of (i64: all events of that feed), share (f64);
        `suspected_users`: user_id, events (i64: distinct ones), and how many for each reason, most first;
        `flagged`: reason, and of the events that are suspected for it, the earliest first, the columns of
        `listing.listed`. Reasons and discrepancies are in the order of the tables that count them.
        Facts: suspected_events, the distinct ones, by feed.

    Raises:
        ConfigurationError: the limit is negative.
        AnalysisError: nothing is stored there, nor, where all of the store is asked about, was anything refused.
    """
    if limit < 0:
        raise ConfigurationError(f"the limit is negative: {limit}", hint="give 0 or more")
    late = delays(store, scope)
    intake, refused = ledger_hours(store, scope.as_of), reject_hours(store, scope.as_of)
    # what was refused has neither a time nor a campaign: it makes no range and no mistyped campaign known
    is_narrowed = (scope.since, scope.until, scope.campaign) != (None, None, None)
    if late.is_empty() and (is_narrowed or (intake.is_empty() and refused.is_empty())):
        raise AnalysisError(
            "no event is stored there", where=scope.text(), hint="widen the range, or process some first"
        )
    events = dict.fromkeys(FEEDS, 0) | dict(late.select("feed", "events").iter_rows())
    traffic = gather(store, scope)
    flagged, rates = suspects(traffic)
    clicks = traffic.clicks
    del traffic  # the impressions are many
    suspicions = discrepancies(store, scope, clicks, limit)
    in_all = _in_all(suspicions.counts)
    first, suspect = _listed(store, _earliest(flagged, limit), suspicions.suspect)
    return Answer(
        question="quality",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, list(FEEDS)),
        computed_from=events,
        parameters=_parameters(rates, limit),
        facts={"suspected_events": _distinct(flagged)},
        tables=[
            Table("delays", "Delay from event to log", late, seconds=("min", "p50", "p90", "p95", "p99", "max")),
            Table("ledger", f"What became of the messages, {_WHOLE}", ledger_totals(intake)),
            Table("ledger_hours", f"The same, by hour of processing (UTC), {_WHOLE}", intake),
            Table("rejects", f"Refused messages by reason, {_WHOLE}", reject_totals(refused)),
            Table("reject_hours", f"The same, by hour of ingestion (UTC), {_WHOLE}", refused),
            Table("discrepancies", "Discrepancies between the feeds", suspicions.counts),
            _first("suspect", f"Doubted events, of each discrepancy at most {limit}", suspect, in_all["events"]),
            _first(
                "creatives_without_campaign",
                f"Creatives without a campaign, at most {limit}",
                suspicions.creatives,
                in_all["creatives"],
            ),
            Table("suspected", "Suspected invalid traffic", _suspected(flagged, events)),
            Table("suspected_users", "Users with most suspected events", _suspected_users(flagged)),
            _first("flagged", f"Suspected events, of each reason at most {limit}", first, flagged.height),
        ],
        charts=[
            Chart("delays", "bar", "feed", ("p50", "p90", "p99"), "Delay from event to log, in seconds"),
            Chart("ledger_hours", "line", "hour", ("duplicate_share",), f"Duplicates {_PROCESSED}", "feed"),
            Chart("ledger_hours", "line", "hour", ("rejected_share",), f"Rejected messages {_PROCESSED}", "feed"),
            Chart(
                "reject_hours", "bar", "hour", ("count",), f"Refused messages by hour of ingestion, {_WHOLE}", "reason"
            ),
            Chart("discrepancies", "bar", "discrepancy", ("share",), "Discrepancies between the feeds"),
            Chart("suspected", "bar", "reason", ("events",), "Suspected invalid traffic", "feed"),
        ],
    )


def _parameters(rates: dict[str, int | None], limit: int) -> dict[str, Any]:
    return {
        "answer_window_seconds": ANSWER_WINDOW.total_seconds(),
        "click_window_seconds": CLICK_WINDOW.total_seconds(),
        "view_window_seconds": VIEW_WINDOW.total_seconds(),
        "auction_window_seconds": AUCTION_WINDOW.total_seconds(),
        "limit": limit,
        "ledger_history": {
            "of": "whole store",
            "ledger_hours": "hour of processing",
            "reject_hours": "hour of ingestion",
        },
        "impossible_speed": {"events": RUN, "within_seconds": RUN_WITHIN.total_seconds()},
        "instant_click": {"sooner_than_seconds": INSTANT.total_seconds()},
        "rate_outlier": {"deviations": DEVIATIONS, "least": LEAST, "least_users": POPULATION, "from": rates},
        "crawler": {"list": PACKAGE, "version": list_version()},
    }


def _distinct(flagged: pl.DataFrame) -> dict[str, int]:
    """How many events are suspected, by feed."""
    counted = flagged.unique(["feed", "event_id"]).group_by("feed").len()
    return dict.fromkeys(LEAST, 0) | dict(counted.iter_rows())


def _suspected(flagged: pl.DataFrame, events: dict[str, int]) -> pl.DataFrame:
    counted = flagged.group_by("reason", "feed").agg(
        events=pl.len().cast(pl.Int64), users=pl.col("user_id").n_unique().cast(pl.Int64)
    )
    schema = {"reason": pl.String, "feed": pl.String, "of": pl.Int64}
    evaluated = pl.DataFrame([(reason, feed, events[feed]) for reason, feed in _EVALUATED], schema, orient="row")
    return (
        evaluated.join(counted, on=["reason", "feed"], how="left", maintain_order="left")
        .select("reason", "feed", pl.col("events", "users").fill_null(0), "of")
        .with_columns(ratio("events", "of", "share"))
    )


def _suspected_users(flagged: pl.DataFrame) -> pl.DataFrame:
    counts = [(pl.col("reason") == reason).sum().cast(pl.Int64).alias(reason) for reason in REASONS]
    distinct = pl.struct("feed", "event_id").n_unique().cast(pl.Int64).alias("events")
    of_users = flagged.group_by("user_id").agg(distinct, *counts)
    return of_users.sort("events", "user_id", descending=[True, False]).head(SUSPECTED_USERS)


def _earliest(flagged: pl.DataFrame, limit: int) -> pl.DataFrame:
    parts = [earliest(flagged.filter(pl.col("reason") == reason), limit) for reason in REASONS]
    return pl.concat(parts).select("reason", "feed", "event_time", "event_id")


def _in_all(counts: pl.DataFrame) -> dict[str, int]:
    """How many events are doubted, and how many creatives, of which only the first are listed."""
    is_of_creatives = pl.col("discrepancy") == "creatives_without_campaign"
    parts = {"creatives": counts.filter(is_of_creatives), "events": counts.filter(~is_of_creatives)}
    return {name: int(part["count"].sum()) for name, part in parts.items()}


def _first(name: str, says: str, rows: pl.DataFrame, of: int) -> Table:
    keys = (rows.columns[0], "feed", "event_id") if "event_id" in rows.columns else ()
    return Table(name, says, rows, keys=keys, of=of, option="--limit N")


def _listed(store: EventStore, flagged: pl.DataFrame, suspect: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both read again, in one pass over the store."""
    rows = listed(store, pl.concat([flagged, suspect], how="diagonal"))
    first, last = rows.head(flagged.height), rows.tail(suspect.height)
    return first.drop("discrepancy"), last.drop("reason")
