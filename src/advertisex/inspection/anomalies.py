"""Anomalies: time buckets with values outside their expected range."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import polars as pl

from advertisex.analysis.answer import Table
from advertisex.analysis.arguments import MOST_LISTED
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.inspection.filters import check_feed
from advertisex.inspection.place import Place
from advertisex.inspection.reading import Reading, utc
from advertisex.monitoring.anomalies import DEVIATIONS
from advertisex.monitoring.monitor import evaluated_buckets
from advertisex.monitoring.notices import format_value
from advertisex.monitoring.rules import flag_anomalies
from advertisex.monitoring.series import bucket_start, midnight, tally
from advertisex.questions.option import Option
from advertisex.questions.time_text import parse_time
from advertisex.settings.alerts import AlertSettings
from advertisex.settings.durations import duration_of
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore
from advertisex.stores.retention import removed_before

_SHOWN = ("bucket", "feed", "campaign", "metric", "value", "expected", "low", "high", "score", "of")
_NUMBERS = ("value", "expected", "low", "high")


@dataclass(frozen=True, slots=True)
class Anomalies(Reading):
    """Anomalies within a range.

    Attributes:
        rows: the latest of them: bucket, feed, campaign, metric, value, expected, low, high, score, of.
        since: start of the range.
        until: its end.
        bucket: length of a bucket.
        values: number of values in the range.
        evaluated: number of those that were evaluated.
        found: number of anomalies.
        kept_since: the time before which the store keeps nothing, if the history needs it.
    """

    rows: pl.DataFrame
    since: datetime
    until: datetime
    bucket: timedelta
    values: int
    evaluated: int
    found: int
    kept_since: datetime | None

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        rows = [row | {"bucket": utc(row["bucket"])} for row in self.rows.iter_rows(named=True)]
        return {
            "anomalies": rows,
            "since": utc(self.since),
            "until": utc(self.until),
            "bucket_seconds": self.bucket.total_seconds(),
            "values": self.values,
            "evaluated": self.evaluated,
            "found": self.found,
        } | ({} if self.kept_since is None else {"kept_since": utc(self.kept_since)})

    def tables(self) -> list[Table]:
        """One row for each anomaly, with its numbers in the unit of its metric."""
        texts = [
            pl.Series(name, [self.text(row, name) for row in self.rows.iter_rows(named=True)], dtype=pl.String)
            for name in _NUMBERS
        ]
        rows = self.rows.with_columns(*texts).drop("of")
        keys = ("bucket", "feed", "campaign", "metric")
        return [Table("anomalies", "Anomalies", rows, keys=keys, of=self.found, option="--limit", codes=("metric",))]

    def notes(self) -> list[str]:
        """What was evaluated."""
        minutes = self.bucket // timedelta(minutes=1)
        notes = [
            f"Evaluated {self.evaluated:,} of {self.values:,} values in buckets of {minutes} min from {self.since} to "
            f"{self.until} UTC."
        ]
        if not self.evaluated:
            notes.append("A feed is evaluated from its second day of data, its volume from the fourth.")
        if self.kept_since is not None:
            day = f"{self.kept_since:%Y-%m-%d}"
            notes.append(f"Nothing before {day} (UTC) is kept (store.keep_days), so the history starts there.")
        return notes

    @staticmethod
    def text(row: dict[str, Any], name: str) -> str | None:
        """A number of a row in the unit of its metric."""
        return None if row[name] is None else format_value(row["metric"], row[name])


def anomalies(
    place: Place,
    since: Annotated[
        str | None, Option(metavar="TIME", help="Only data ingested at or after this time (UTC).", is_filter=True)
    ] = None,
    until: Annotated[
        str | None, Option(metavar="TIME", help="Only data ingested before this time (UTC).", is_filter=True)
    ] = None,
    bucket: Annotated[
        str | None,
        Option(metavar="DURATION", help="Bucket length: 15m, 1h.", default="alerts.bucket in the settings"),
    ] = None,
    feed: Annotated[str | None, Option(metavar="FEED", help="Only this feed.", is_filter=True)] = None,
    campaign: Annotated[str | None, Option(metavar="ID", help="Only this campaign.", is_filter=True)] = None,
    limit: Annotated[
        int, Option(metavar="N", minimum=0, maximum=MOST_LISTED, help="Maximum number of rows; the latest are shown.")
    ] = 50,
) -> Anomalies:
    """Search the stored history for anomalies: time buckets with values outside their expected range."""
    check_feed(feed)
    alerts = place.settings.alerts if bucket is None else _with_bucket(place.settings.alerts, bucket)
    with place.store() as store:
        first, last = _range(store, parse_time(since, "--since"), parse_time(until, "--until"), alerts)
        tallies = tally(store, first - alerts.history, last, alerts.bucket)
        kept_since = removed_before(store)
    evaluated = evaluated_buckets(tallies, first, last, alerts, place.settings.times.zone)
    for name, wanted in (("feed", feed), ("campaign", campaign)):
        if wanted is not None:
            evaluated = evaluated.filter(pl.col(name) == wanted)
    cut = kept_since if kept_since is not None and kept_since > first - alerts.history else None
    known = flag_anomalies(evaluated, DEVIATIONS)
    found = known.filter("bad").sort("bucket", "feed", "campaign", "metric").tail(limit).select(_SHOWN)
    return Anomalies(found, first, last, alerts.bucket, evaluated.height, known.height, int(known["bad"].sum()), cut)


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
