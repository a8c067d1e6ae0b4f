"""The time that a batch is stored under: one for its events, its rejects and its commit."""

from datetime import UTC, datetime, timedelta


def stamp_after(last: datetime | None) -> datetime:
    """Now (UTC, without a zone), or just after the last commit where the clock was set back since."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return now if last is None else max(now, last + timedelta(microseconds=1))
