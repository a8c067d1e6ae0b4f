"""Times as microseconds since the epoch."""

from datetime import UTC, datetime, timedelta

#: The epoch, in UTC.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros_of(moment: datetime) -> int:
    """Return a time in microseconds since the epoch; one without a zone is in UTC."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def time_of(micros: int) -> datetime:
    """Return the time, in UTC, of microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=micros)
