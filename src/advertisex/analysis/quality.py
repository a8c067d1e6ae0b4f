"""Quality: how late events came, what was refused, what contradicts what, and which traffic hardly a person made.

See `delays`, `intake`, `discrepancies` and `invalid_traffic` for the definitions. Nothing that is doubted is dropped:
it stays in every other answer.
"""

from typing import Any

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizon
from advertisex.analysis.answered import ANSWER_WINDOW
from advertisex.analysis.crawlers import PACKAGE, list_version
from advertisex.analysis.delays import delays
from advertisex.analysis.discrepancies import (
    AUCTION_WINDOW,
    CLICK_WINDOW,
    EXAMPLES,
    VIEW_WINDOW,
    discrepancies,
)
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
from advertisex.analysis.lean import hexadecimal
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

DEFINITION = "quality/1"

#: So many suspected users are named, those with most events.
SUSPECTED_USERS = 10

#: Which reason is looked for in which feed.
_JUDGED = [
    (reason, feed)
    for reason in REASONS
    for feed in ("impressions", "clicks")
    if (reason, feed) != ("instant_click", "impressions")
]


def quality(store: EventStore, scope: Scope) -> Answer:
    """Judge the events within the scope, and the messages that were refused on the way.

    Returns:
        The tables `delays` (see `delays`), `ledger` (by feed) and `ledger_hours`, `rejects` (by feed, kind and reason)
        and `reject_hours` (see `intake`), `discrepancies`, `discrepancy_examples` and `creatives_without_campaign` (see
        `discrepancies`), and of what is suspected:
        `suspected`: reason, feed, events, users, of (i64: all events of that feed), share (f64);
        `suspected_users`: user_id, events (i64: distinct ones), and how many for each reason, most first;
        `suspected_examples`: reason, feed, event_time, event_id (as text), user_id; of each reason the earliest.
        Facts: suspected_events, the distinct ones, by feed.

    Raises:
        AnalysisError: nothing is stored there, nor was anything refused.
    """
    late = delays(store, scope)
    intake, refused = ledger_hours(store, scope), reject_hours(store, scope)
    if not (late.height or intake.height or refused.height):
        raise AnalysisError(
            "no event is stored there", where=scope.text(), mend="widen the range, or process some first"
        )
    events = dict.fromkeys(FEEDS, 0) | dict(late.select("feed", "events").iter_rows())
    evidence = gather(store, scope)
    flagged, rates = suspects(evidence)
    clicks = evidence.clicks
    del evidence  # the impressions are many
    doubts = discrepancies(store, scope, clicks, events["impressions"])
    return Answer(
        question="quality",
        definition=DEFINITION,
        scope=scope,
        horizon=horizon(store, scope, list(FEEDS)),
        computed_from=events,
        parameters=_parameters(rates),
        facts={"suspected_events": _distinct(flagged)},
        tables=[
            Table("delays", "Delay from event to log, in seconds", late),
            Table("ledger", "What became of the messages", ledger_totals(intake)),
            Table("ledger_hours", "The same, by hour of processing (UTC)", intake),
            Table("rejects", "Refused messages, by reason", reject_totals(refused)),
            Table("reject_hours", "The same, by hour of ingestion (UTC)", refused),
            Table("discrepancies", "Discrepancies between the feeds", doubts.counts),
            Table("discrepancy_examples", "The earliest of each", doubts.examples),
            Table("creatives_without_campaign", "Creatives without a campaign", doubts.creatives),
            Table("suspected", "Suspected invalid traffic", _suspected(flagged, events)),
            Table("suspected_users", "Users with most suspected events", _suspected_users(flagged)),
            Table("suspected_examples", "The earliest of each reason", _suspected_examples(flagged)),
        ],
        charts=[
            Chart("delays", "bar", "feed", ("p50", "p90", "p99"), "Delay from event to log, in seconds"),
            Chart("ledger_hours", "line", "hour", ("duplicate_share",), "Share of duplicates", "feed"),
            Chart("ledger_hours", "line", "hour", ("rejected_share",), "Share of rejected messages", "feed"),
            Chart("reject_hours", "bar", "hour", ("count",), "Refused messages by reason", "reason"),
            Chart("discrepancies", "bar", "discrepancy", ("share",), "Discrepancies between the feeds"),
            Chart("suspected", "bar", "reason", ("events",), "Suspected invalid traffic", "feed"),
        ],
    )


def _parameters(rates: dict[str, int | None]) -> dict[str, Any]:
    return {
        "answer_window_seconds": ANSWER_WINDOW.total_seconds(),
        "click_window_seconds": CLICK_WINDOW.total_seconds(),
        "view_window_seconds": VIEW_WINDOW.total_seconds(),
        "auction_window_seconds": AUCTION_WINDOW.total_seconds(),
        "examples": EXAMPLES,
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
    judged = pl.DataFrame([(reason, feed, events[feed]) for reason, feed in _JUDGED], schema, orient="row")
    return (
        judged.join(counted, on=["reason", "feed"], how="left", maintain_order="left")
        .select("reason", "feed", pl.col("events", "users").fill_null(0), "of")
        .with_columns(ratio("events", "of", "share"))
    )


def _suspected_users(flagged: pl.DataFrame) -> pl.DataFrame:
    counts = [(pl.col("reason") == reason).sum().cast(pl.Int64).alias(reason) for reason in REASONS]
    distinct = pl.struct("feed", "event_id").n_unique().cast(pl.Int64).alias("events")
    of_users = flagged.group_by("user_id").agg(distinct, *counts)
    return of_users.sort("events", "user_id", descending=[True, False]).head(SUSPECTED_USERS)


def _suspected_examples(flagged: pl.DataFrame) -> pl.DataFrame:
    parts = [
        flagged.filter(pl.col("reason") == reason)
        .bottom_k(EXAMPLES, by=["event_time", "event_id"])
        .sort("event_time", "event_id")
        for reason in REASONS
    ]
    rows = pl.concat(parts)
    return rows.select("reason", "feed", "event_time", hexadecimal(rows["event_id"]), "user_id")
