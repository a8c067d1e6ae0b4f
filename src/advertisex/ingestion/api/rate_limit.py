"""How long an API asks its clients to wait: Retry-After, and the usual headers of rate limits."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Names of headers, without hyphens and a leading x.
_REMAINING, _RESET = "ratelimitremaining", "ratelimitreset"
#: A reset above this is a point in time, in seconds; above the other one in milliseconds.
_EPOCH, _EPOCH_MS = 1e9, 1e12
_NUMBER = re.compile(r"\d{1,20}(?:\.\d{1,9})?")
#: The parameters of RateLimit: `"day";r=0;t=30`, and in an earlier draft `limit=100, remaining=0, reset=30`.
_PARAMETERS = re.compile(r"\b(r|t|remaining|reset)\s*=\s*(\d{1,10})")


class PutOff(Exception):
    """A request has to wait for the rate limit.

    Args:
        seconds: how long.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class RateLimit:
    """Keeps the requests of a connection apart: by a maximum rate, and as the server asks.

    Args:
        per_second: maximum number of requests per second; None for no maximum.
        clock: monotonic time in seconds.
        longest: the longest wait for a server, in seconds.
    """

    def __init__(self, per_second: float | None, clock: Callable[[], float], longest: float) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._clock, self._longest = clock, longest
        self._next = self._reset = clock()

    def wait(self) -> float:
        """Return the seconds until the next request, by the maximum rate and by what the server said."""
        return max(0.0, self._next - self._clock(), self._reset - self._clock())

    def sent(self) -> None:
        """Record that a request is sent now."""
        self._next = self._clock() + self._interval

    def received(self, headers: Mapping[str, str]) -> None:
        """Record what the headers of a successful response say about the next request."""
        self._reset = self._clock() + min(reset_after(headers) or 0.0, self._longest)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait after a failure, by Retry-After or else by the rate limit; None if neither says.

    Args:
        headers: headers of the response, with names in lower case.
    """
    text = headers.get("retry-after", "").strip()
    asked = float(text) if _NUMBER.fullmatch(text) else _until(_http_date(text), headers)
    return reset_after(headers) if asked is None else asked


def reset_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the rate limit is reset, if it is exhausted; None if not, or if no header says so.

    Args:
        headers: headers of the response, with names in lower case.
    """
    plain = {name.replace("-", "").removeprefix("x"): value.strip() for name, value in headers.items()}
    waits = list(_exhausted_policies(plain.get("ratelimit", "")))
    remaining = plain.get(_REMAINING, "")
    if _NUMBER.fullmatch(remaining) and float(remaining) < 1:
        wait = _seconds(plain.get(_RESET, ""), headers)
        waits += [] if wait is None else [wait]
    return max(filter(None, waits), default=None)


def _exhausted_policies(text: str) -> Iterator[float]:
    """Yield the seconds until the reset of each exhausted policy in RateLimit."""
    policies = [text] if "remaining" in text else text.split(",")
    for policy in policies:
        found = {name[0] if name != "reset" else "t": float(value) for name, value in _PARAMETERS.findall(policy)}
        if found.get("r") == 0 and "t" in found:
            yield found["t"]


def _seconds(reset: str, headers: Mapping[str, str]) -> float | None:
    """Return the seconds until a reset, which may be given in seconds, as an epoch, or as a time."""
    if not _NUMBER.fullmatch(reset):
        return _until(_http_date(reset) or _iso_time(reset), headers)
    number = float(reset)
    if number < _EPOCH:
        return number
    return max(0.0, (number / 1000 if number > _EPOCH_MS else number) - _now(headers))


def _until(time: datetime | None, headers: Mapping[str, str]) -> float | None:
    return None if time is None else max(0.0, time.timestamp() - _now(headers))


def _now(headers: Mapping[str, str]) -> float:
    """Return the time of the server's clock, in seconds since the epoch."""
    now = _http_date(headers.get("date", ""))
    return (now or datetime.now(UTC)).timestamp()


def _http_date(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _iso_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
