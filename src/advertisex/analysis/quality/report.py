"""Quality: ingestion delay, ledger history, discrepancies between the feeds, and suspected invalid traffic.

See `delays`, `ledger_hours`, `discrepancies` and `suspects` for the definitions. Suspect events are never dropped: they
still count in every other answer.
"""

from datetime import timedelta
from typing import Any

import polars as pl

from advertisex.analysis.answer import Answer, Chart, Table, horizons
from advertisex.analysis.arguments import check_limit
from advertisex.analysis.auctions import AUCTION_WINDOW
from advertisex.analysis.impression_match import ANSWER_WINDOW
from advertisex.analysis.intervals import ratio
from advertisex.analysis.listing import LISTED, earliest, listed
from advertisex.analysis.quality.crawlers import PACKAGE, list_version
from advertisex.analysis.quality.delays import delays
from advertisex.analysis.quality.discrepancies import CLICK_WINDOW, VIEW_WINDOW, discrepancies
from advertisex.analysis.quality.invalid_traffic import (
    DEVIATIONS,
    INSTANT,
    KINDS,
    LEAST,
    POPULATION,
    REASONS,
    RUN,
    RUN_WITHIN,
    Suspects,
    gather,
    suspects,
)
from advertisex.analysis.quality.ledger_history import history_charts, history_tables, ledger_hours, reject_hours
from advertisex.analysis.quality.unknown_names import UnknownNames, unknown_names
from advertisex.analysis.scope import Scope, check_scope
from advertisex.analysis.unknown import by_events, unknown_facts, unknown_notes
from advertisex.errors import AnalysisError
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

#: Version 4 distinguishes general and sophisticated invalid traffic.
DEFINITION = "quality/4"

#: Number of suspected users to list, those with the most events.
SUSPECTED_USERS = 10

#: Columns of codes.
_CODES = ("reason", "discrepancy")


def quality(store: EventStore, scope: Scope = Scope(), *, limit: int = LISTED) -> Answer:
    """Evaluate the events within the scope, and the ledger history of the whole store.

    Args:
        store: the event store.
        scope: selects the events to evaluate; only its `as_of` applies to the ledger history, see `ledger_hours`.
        limit: maximum number of events to list for each reason and each discrepancy, and of unknown names
            of each kind.

    Returns:
        Tables:
        `delays`: see `delays`;
        `ledger` (by feed) and `ledger_hours`: see `ledger_hours`;
        `rejects` (by feed, kind and reason, with the share of all rejected and filtered messages, or of all conflicts)
        and `reject_hours`: see `reject_hours`;
        `discrepancies`: see `discrepancies`;
        `suspect`: discrepancy, and the columns of `listing.listed` for its events, earliest first;
        `creatives_without_campaign`, `campaigns_without_creative` and `currencies`: see `UnknownNames`;
        `suspected`: reason, kind (`general` or `sophisticated`), feed, events, users, of (i64: all events of that
        feed), share (f64); events, users and share are null for a reason that cannot be evaluated;
        `suspected_users`: user_id, events (i64, distinct), and the count for each reason, most events first;
        `flagged`: reason, and the columns of `listing.listed` for its events, earliest first.
        Reasons and discrepancies are in the order of the tables that count them.
        Facts: suspected_events, the number of distinct suspected events by feed; invalid_events, the same by kind;
        those of `unknown_facts`.

    Raises:
        ConfigurationError: the scope or the limit is invalid.
        AnalysisError: the scope contains no events and, if it is unbounded, the ledger history is empty too.
    """
    scope, limit = check_scope(scope, store), check_limit(limit)
    delay_rows = delays(store, scope)
    ledger, rejects = ledger_hours(store, scope.as_of), reject_hours(store, scope.as_of)
    # rejects have neither an event time nor a campaign, so they never match a narrowed scope
    is_narrowed = bool(scope.where) or (scope.campaign, scope.since, scope.until) != (None, None, None)
    if delay_rows.is_empty() and (is_narrowed or (ledger.is_empty() and rejects.is_empty())):
        raise AnalysisError("no events found", where=scope.text(), hint="widen the range, or process events first")
    events = dict.fromkeys(FEEDS, 0) | dict(delay_rows.select("feed", "events").iter_rows())
    traffic = gather(store, scope)
    suspected = suspects(traffic)
    flagged = suspected.events
    clicks = traffic.clicks
    del traffic  # frees the impressions
    unknown = unknown_names(store, scope)
    suspicions = discrepancies(store, scope, clicks, unknown, limit)
    first, suspect = _listed(store, scope, _earliest(flagged, limit), suspicions.suspect)
    return Answer(
        question="quality",
        definition=DEFINITION,
        scope=scope,
        horizons=horizons(store, scope, list(FEEDS)),
        computed_from=events,
        parameters=_parameters(suspected, limit),
        lookback=timedelta.max,  # the ledger and the rejects are those of the whole store
        facts={
            "suspected_events": _distinct(flagged),
            "invalid_events": _by_kind(flagged),
            **unknown_facts(unknown.ids),
        },
        notes=[*_not_evaluated(suspected), *unknown_notes(store, by_events(unknown.ids), scope.as_of)],
        tables=[
            Table("delays", "Ingestion delay", delay_rows, seconds=("min", "p50", "p90", "p95", "p99", "max")),
            *history_tables(ledger, rejects),
            Table("discrepancies", "Discrepancies between the feeds", suspicions.counts, codes=_CODES),
            _first(
                "suspect", f"Events with discrepancies, at most {limit} per discrepancy", suspect, suspicions.events
            ),
            *_unknown(unknown, limit),
            Table("suspected", "Suspected invalid traffic", _suspected(suspected, events), codes=_CODES),
            Table("suspected_users", "Users with the most suspected events", _suspected_users(suspected)),
            _first("flagged", f"Suspected events, at most {limit} per reason", first, flagged.height),
        ],
        charts=[
            Chart("delays", "bar", "feed", ("p50", "p90", "p99"), "Ingestion delay"),
            *history_charts(),
            Chart("discrepancies", "bar", "discrepancy", ("share",), "Discrepancies between the feeds"),
            Chart("suspected", "bar", "reason", ("events",), "Suspected invalid traffic", "feed"),
        ],
    )


def _parameters(suspected: Suspects, limit: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {
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
        "rate_outlier": {"deviations": DEVIATIONS, "least": LEAST, "least_users": POPULATION, "from": suspected.rates},
        "crawler": {"list": PACKAGE, "version": list_version()},
    }
    return parameters | {
        reason: parameters[reason] | {"not_evaluated": why} for reason, why in suspected.not_evaluated.items()
    }


def _reasons(suspected: Suspects) -> list[str]:
    """The reasons that apply to any feed, in their order."""
    return [reason for reason in REASONS if reason in dict(suspected.evaluated)]


def _distinct(flagged: pl.DataFrame) -> dict[str, int]:
    """Count the distinct suspected events by feed."""
    counted = flagged.unique(["feed", "event_id"]).group_by("feed").len()
    return dict.fromkeys(LEAST, 0) | dict(counted.iter_rows())


def _by_kind(flagged: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Count the distinct suspected events by kind and feed. An event with reasons of both kinds is general."""
    kind = pl.col("reason").replace_strict(KINDS, return_dtype=pl.String).min().alias("kind")
    counted = flagged.group_by("feed", "event_id").agg(kind).group_by("kind", "feed").len().sort("kind", "feed")
    found: dict[str, dict[str, int]] = {kind: dict.fromkeys(LEAST, 0) for kind in sorted(set(KINDS.values()))}
    for name, feed, events in counted.iter_rows():
        found[name][feed] = events
    return found


def _suspected(suspected: Suspects, events: dict[str, int]) -> pl.DataFrame:
    counted = suspected.events.group_by("reason", "feed").agg(
        events=pl.len().cast(pl.Int64), users=pl.col("user_id").n_unique().cast(pl.Int64)
    )
    schema = {"reason": pl.String, "feed": pl.String, "of": pl.Int64}
    evaluated = pl.DataFrame(
        [(reason, feed, events[feed]) for reason, feed in suspected.evaluated], schema, orient="row"
    )
    is_evaluated = ~pl.col("reason").is_in(list(suspected.not_evaluated))
    return (
        evaluated.join(counted, on=["reason", "feed"], how="left", maintain_order="left")
        .select(
            "reason",
            pl.col("reason").replace_strict(KINDS, return_dtype=pl.String).alias("kind"),
            "feed",
            pl.when(is_evaluated).then(pl.col("events", "users").fill_null(0)),
            "of",
        )
        .with_columns(ratio("events", "of", "share"))
    )


def _suspected_users(suspected: Suspects) -> pl.DataFrame:
    numbers = {reason: (pl.col("reason") == reason).sum().cast(pl.Int64) for reason in _reasons(suspected)}
    numbers |= dict.fromkeys(suspected.not_evaluated, pl.lit(None, pl.Int64))
    distinct = pl.struct("feed", "event_id").n_unique().cast(pl.Int64).alias("events")
    of_users = suspected.events.group_by("user_id").agg(distinct, **numbers)
    return of_users.sort("events", "user_id", descending=[True, False]).head(SUSPECTED_USERS)


def _earliest(flagged: pl.DataFrame, limit: int) -> pl.DataFrame:
    parts = [earliest(flagged.filter(pl.col("reason") == reason), limit) for reason in REASONS]
    return pl.concat(parts).select("reason", "feed", "event_time", "event_id")


def _unknown(unknown: UnknownNames, limit: int) -> list[Table]:
    titles = {
        "creatives_without_campaign": ("Creatives without a campaign", unknown.creatives),
        "campaigns_without_creative": ("Campaigns without a creative", unknown.campaigns),
        "currencies": ("Currencies that ISO 4217 does not have", unknown.currencies),
    }
    return [
        _first(name, f"{title}, at most {limit}", rows.head(limit), rows.height)
        for name, (title, rows) in titles.items()
    ]


def _not_evaluated(suspected: Suspects) -> list[str]:
    invalid = [
        f"{count:,} of the {feed} have an unreadable IP address and were not checked for data_centre."
        for feed, count in suspected.invalid_addresses.items()
        if count
    ]
    return [f"{reason} cannot be evaluated: {why}." for reason, why in suspected.not_evaluated.items()] + invalid


def _first(name: str, title: str, rows: pl.DataFrame, of: int) -> Table:
    keys = (rows.columns[0], "feed", "event_id") if "event_id" in rows.columns else ()
    return Table(name, title, rows, keys=keys, of=of, option="--limit N", codes=_CODES)


def _listed(
    store: EventStore, scope: Scope, flagged: pl.DataFrame, suspect: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Look up the details of both in one pass over the store."""
    rows = listed(store, pl.concat([flagged, suspect], how="diagonal"), scope.as_of)
    first, last = rows.head(flagged.height), rows.tail(suspect.height)
    return first.drop("discrepancy"), last.drop("reason")
