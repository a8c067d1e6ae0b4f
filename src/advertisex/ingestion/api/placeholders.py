"""Placeholders of requests: `{since}`, `{until}` and `{cursor}`, with formats such as `{since:%Y-%m-%d}`.

Without a format, `{until}` is a time such as 2026-01-05T09:00:00Z, and the others are as the source writes them. Other
formats: `epoch`, `epoch_ms`, `epoch_us`, and the directives of strftime, all in UTC. Anything else in braces is not a
placeholder, so JSON can be around it.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from advertisex.errors import ConfigurationError
from advertisex.ingestion.api.cursor_value import CursorValue, cursor_value
from advertisex.ingestion.api.request import Request
from advertisex.times import EPOCH

_TOKEN = re.compile(r"\{(since|until|cursor)(?::([^{}]*))?\}")
_EPOCHS = {
    "epoch": timedelta(seconds=1),
    "epoch_ms": timedelta(milliseconds=1),
    "epoch_us": timedelta(microseconds=1),
}
_DIRECTIVES = frozenset("YymdjHIMSfpaAbBzZuwUWVG%")
_ZONES = ("%z", "%Z")
_RFC_3339 = "%Y-%m-%dT%H:%M:%SZ"
#: What stays as it is in a URL, beside letters, digits and `-._~`.
_SAFE = ":"


@dataclass(frozen=True, slots=True)
class Values:
    """What the placeholders are replaced by; None for one that has no value.

    Attributes:
        since: the start of what is asked for.
        until: its end; it has a zone.
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
    found = [match for text in texts for match in _TOKEN.finditer(text)]
    for match in found:
        _check_format(match)
    return {match[1] for match in found}


def filled(request: Request, values: Values) -> Request:
    """Return the request with the values in its URL, headers and body.

    Raises:
        ConfigurationError: a placeholder has an unknown format or no value, or it is in the host of the URL.
    """
    authority = re.match(r"[^/?#]*//[^/?#]*", request.url)
    if authority and _TOKEN.search(authority[0]):
        raise ConfigurationError(
            "a placeholder cannot be in the host of a URL",
            where=request.where,
            hint="use placeholders in the path and the parameters",
        )
    return replace(
        request,
        url=_filled(request.url, values, lambda text: quote(text, safe=_SAFE)),
        headers={name: _filled(value, values) for name, value in request.headers.items()},
        body=None if request.body is None else _filled_bytes(request.body, values),
    )


def _filled_bytes(body: bytes, values: Values) -> bytes:
    return _filled(body.decode("utf-8", "surrogateescape"), values).encode("utf-8", "surrogateescape")


def _filled(text: str, values: Values, quoted: Callable[[str], str] = str) -> str:
    return _TOKEN.sub(lambda match: quoted(_value(match, values)), text)


def _value(match: re.Match[str], values: Values) -> str:
    name, form = match[1], match[2]
    _check_format(match)
    value: CursorValue | None = getattr(values, name) if name != "until" else _until(values)
    if value is None:
        raise ConfigurationError(
            f"the placeholder {match[0]} has no value yet", hint="set where to begin, as in since = 2026-01-01"
        )
    if form is None:
        return value.text
    return _formatted(value, form, match[0])


def _until(values: Values) -> CursorValue | None:
    return None if values.until is None else cursor_value(values.until.astimezone(UTC).strftime(_RFC_3339))


def _formatted(value: CursorValue, form: str, shown: str) -> str:
    if value.kind == "time without a zone" and (form in _EPOCHS or any(zone in form for zone in _ZONES)):
        raise ConfigurationError(
            f"the placeholder {shown} needs a time with a zone, and {value.text} has none",
            hint="use a format without a zone, or choose a field that has times with a zone",
        )
    time = value.time()
    if form in _EPOCHS:
        return str((time - EPOCH) // _EPOCHS[form])
    return time.strftime(form)


def _check_format(match: re.Match[str]) -> None:
    form = match[2]
    if form is None or form in _EPOCHS:
        return
    directives = re.findall(r"%(.?)", form)
    if not directives or not _DIRECTIVES.issuperset(directives) or "" in directives or not form.isprintable():
        raise ConfigurationError(
            f"unknown format of the placeholder {match[0]}",
            hint=f"use {', '.join(f'{{{match[1]}:{name}}}' for name in _EPOCHS)} or {{{match[1]}:%Y-%m-%d}}",
        )
