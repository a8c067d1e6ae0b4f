"""The format of times in documents."""

from datetime import datetime

#: For Polars.
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.6fZ"


def iso(when: datetime) -> str:
    """A naive UTC time in the format of the documents."""
    return when.isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """Parse a time of a document; naive UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=None)
