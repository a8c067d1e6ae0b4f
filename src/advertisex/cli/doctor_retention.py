"""What `advertisex doctor` says about the retention of the log and the store."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from advertisex.logs.contract import EventLog
from advertisex.model import Counts, Finding
from advertisex.processing.retention import limits_of, processed_in
from advertisex.settings.model import LogSettings
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore

#: Longest period of a store, in days.
_LONGEST_PERIOD = 31


def log_retention(settings: LogSettings, store: EventStore, log: EventLog) -> Iterator[Finding]:
    """Check that the embedded log is within its limits; yield nothing for another log."""
    if not log.prunable:
        return
    limits = {"log.keep_days": settings.keep_days, "log.keep_size": settings.keep_size}
    given = [f"{name} = {limit:,}" for name, limit in limits.items() if limit is not None]
    if not given:
        yield Finding("log's retention", True, "the log keeps every message; see log.keep_days and log.keep_size")
        return
    overdue = log.overdue(processed_in(store, log), limits_of(settings, utc_now()))
    text = ", ".join(given) + (": exceeded by messages that are not processed" if overdue else "")
    yield Finding("log's retention", not overdue, text, "run `advertisex process`")


def store_retention(store: EventStore, keep_days: int | None, now: datetime) -> Finding:
    """Return from when on the store keeps events, what it removed, and when it drops the next period."""
    kept_since = store.kept_since()
    wanted = None if keep_days is None else store.period_start(now - timedelta(days=keep_days))
    parts = ["everything is kept"]
    if kept_since is not None:
        total = sum((row.counts for row in store.ledger()), Counts())
        parts = [
            f"events before {kept_since:%Y-%m-%d} (UTC) are not kept",
            f"removed: {total.removed:,} events and {total.removed_rejects:,} rejects",
        ]
    if kept_since is not None and (wanted is None or wanted < kept_since):
        parts.append("store.keep_days now keeps more, but removed events do not come back")
    elif wanted is not None and kept_since is not None and wanted == kept_since and keep_days is not None:
        days = (kept_since + timedelta(days=number) for number in range(1, _LONGEST_PERIOD + 1))
        end = next(day for day in days if store.period_start(day) > kept_since)
        parts.append(f"events before {end:%Y-%m-%d} are dropped on {end + timedelta(days=keep_days):%Y-%m-%d}")
    elif wanted is not None:
        parts.append(f"the next `advertisex process` drops events before {wanted:%Y-%m-%d}")
    return Finding("store's retention", True, "; ".join(parts))
