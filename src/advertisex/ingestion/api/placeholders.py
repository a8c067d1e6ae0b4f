"""Placeholders of requests: `{since}`, `{until}` and `{cursor}`, with formats such as `{since:%Y-%m-%d}`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from advertisex.ingestion.api.cursor_value import CursorValue
from advertisex.ingestion.api.request import Request


@dataclass(frozen=True, slots=True)
class Values:
    """What the placeholders are replaced by; None for one that has no value.

    Attributes:
        since: the start of what is asked for.
        until: its end, in UTC.
        cursor: the largest cursor so far.
    """

    since: CursorValue | None = None
    until: datetime | None = None
    cursor: CursorValue | None = None


def placeholders_in(texts: Iterable[str]) -> set[str]:
    """Return the names of the placeholders in texts: since, until, cursor.

    Raises:
        ConfigurationError: a placeholder has an unknown format.
    """
    raise NotImplementedError


def filled(request: Request, values: Values) -> Request:
    """Return the request with the values in its URL, headers and body.

    Raises:
        ConfigurationError: a placeholder has an unknown format, no value, or stands in the host of the URL.
    """
    raise NotImplementedError
