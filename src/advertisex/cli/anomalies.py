"""`advertisex anomalies`: values outside their expected range."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import polars as pl
import typer

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    duration_of,
    opened_store,
    settings_of,
)
from advertisex.cli.output import out, print_json, say
from advertisex.cli.tables import print_table
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.monitoring.anomalies import DEVIATIONS
from advertisex.monitoring.monitor import evaluated_buckets
from advertisex.monitoring.notices import format_value
from advertisex.monitoring.rules import flag_anomalies
from advertisex.monitoring.series import bucket_start, midnight, tally
from advertisex.questions.time_text import parse_time
from advertisex.settings.alerts import AlertSettings
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore
from advertisex.stores.retention import removed_before

_SHOWN = ("bucket", "feed", "campaign", "metric", "value", "expected", "low", "high", "score", "of")


def anomalies(
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only data ingested at or after this time (UTC).")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only data ingested before this time (UTC).")
    ] = None,
    bucket: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Bucket length: 15m, 1h.  \\[default: alerts.bucket in the settings]"),
    ] = None,
    feed: Annotated[str | None, typer.Option(metavar="FEED", help="Only this feed.")] = None,
    campaign: Annotated[str | None, typer.Option(metavar="ID", help="Only this campaign.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of rows; the latest are shown.")] = 50,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Search the stored history for anomalies: time buckets with values outside their expected range."""
    if feed is not None and feed not in FEEDS:
        raise ConfigurationError(f"unknown feed {feed!r}", hint=f"use one of {', '.join(FEEDS)}")
    settings = settings_of(config, data=data, log=log, store=store)
    alerts = settings.alerts if bucket is None else _with_bucket(settings.alerts, bucket)
    with opened_store(settings, read_only=True) as event_store:
        first, last = _range(event_store, parse_time(since, "--since"), parse_time(until, "--until"), alerts)
        tallies = tally(event_store, first - alerts.history, last, alerts.bucket)
        kept_since = removed_before(event_store)
    evaluated = evaluated_buckets(tallies, first, last, alerts, settings.times.zone)
    for name, wanted in (("feed", feed), ("campaign", campaign)):
        if wanted is not None:
            evaluated = evaluated.filter(pl.col(name) == wanted)
    cut = kept_since if kept_since is not None and kept_since > first - alerts.history else None
    known = flag_anomalies(evaluated, DEVIATIONS)
    found = known.filter("bad").sort("bucket", "feed", "campaign", "metric").tail(limit).select(_SHOWN)
    counts = {
        "since": first,
        "until": last,
        "bucket_seconds": alerts.bucket.total_seconds(),
        "values": evaluated.height,
        "evaluated": known.height,
        "found": int(known["bad"].sum()),
    }
    if as_json:
        print_json(_document(found, counts) | ({} if cut is None else {"kept_since": f"{cut.isoformat()}Z"}))
        return
    _print(found, counts, alerts)
    if cut is not None:
        say(f"Nothing before {cut:%Y-%m-%d} (UTC) is kept (store.keep_days), so the history starts there.")


def _with_bucket(alerts: AlertSettings, text: str) -> AlertSettings:
    length = duration_of(text, "--bucket")
    if length < timedelta(minutes=1) or timedelta(days=1) % length or length % timedelta(minutes=1):
        raise ConfigurationError(
            f"--bucket: {text!r} is not a valid bucket length",
            hint="use whole minutes that divide a day, such as 15m or 1h",
        )
    return alerts.model_copy(update={"bucket": length})


def _range(
    store: EventStore, since: datetime | None, until: datetime | None, alerts: AlertSettings
) -> tuple[datetime, datetime]:
    """Return the range in whole buckets; the default is `alerts.history` up to the last settled bucket."""
    settled = store.settled()
    if settled is None:
        raise AnalysisError("the store is empty", hint="run `advertisex ingest` and `advertisex process` first")
    settled = min(settled, utc_now())  # a commit may lie in the future; see `advertisex doctor`
    last = bucket_start(settled if until is None else min(until, settled), alerts.bucket)
    first = midnight(last - alerts.history) if since is None else bucket_start(since, alerts.bucket)
    if first >= last:
        raise ConfigurationError("the range contains no complete bucket", hint="widen it, or choose a smaller --bucket")
    return first, last


def _document(found: pl.DataFrame, counts: dict[str, Any]) -> dict[str, Any]:
    rows = [row | {"bucket": f"{row['bucket'].isoformat()}Z"} for row in found.iter_rows(named=True)]
    times = {name: f"{counts[name].isoformat()}Z" for name in ("since", "until")}
    return {"anomalies": rows, **counts, **times}


def _print(found: pl.DataFrame, counts: dict[str, Any], alerts: AlertSettings) -> None:
    rows = [
        (
            row["bucket"],
            row["feed"],
            row["campaign"],
            row["metric"],
            *(
                None if row[name] is None else format_value(row["metric"], row[name])
                for name in ("value", "expected", "low", "high")
            ),
            f"{row['score']:.1f}",
        )
        for row in found.iter_rows(named=True)
    ]
    columns = ("bucket", "feed", "campaign", "metric", "value", "expected", "low", "high", "score")
    if rows:
        title = f"Anomalies ({len(rows):,} of {counts['found']:,})"
        print_table(title, columns, rows, keys=columns[:4], numbers=columns[4:])
        out.print()
    elif counts["evaluated"]:
        say("No anomalies were found.")
    minutes = alerts.bucket // timedelta(minutes=1)
    say(
        f"Evaluated {counts['evaluated']:,} of {counts['values']:,} values in buckets of {minutes} min "
        f"from {counts['since']} to {counts['until']} UTC."
    )
    if not counts["evaluated"]:
        say("A feed is evaluated from its second day of data, its volume from the fourth.")
