"""Parses timestamps into UTC microseconds.

Accepted: the formats in the settings, which are tried first; RFC 3339 (leap seconds become the following second);
`YYYY-MM-DD HH:MM:SS[.f]` with a space or a T, without an offset, or with one, ` UTC` or ` GMT`; epoch seconds,
milliseconds, microseconds or nanoseconds, distinguished by magnitude. Digits beyond the microsecond are dropped.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from advertisex.feeds import TimeReading
from advertisex.feeds.time_format import time_format

_MICROS = pl.Datetime("us")
#: The most common ISO notations: parsed as columns, at fixed positions in the text.
_COMMON = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{3}|\.[0-9]{6})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?$"
)
_EPOCH = r"^-?[0-9]{1,19}(?:\.[0-9]{1,9})?$"
#: All other ISO notations.
_PARTS = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?"
    r"(?:([Zz]| UTC| GMT)|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)?",
    re.ASCII,
)
#: Below these, an epoch number is in seconds (until the year 5138), milliseconds, microseconds.
_SECONDS, _MILLIS, _MICROSECONDS = 10**11, 10**14, 10**17


def read_timestamps(text: pl.Series, times: TimeReading) -> pl.Series:
    """Parse timestamp texts; null where no notation matches.

    Args:
        text: String.
        times: time zone of texts without an offset, and formats.

    Returns:
        Datetime in microseconds, without a time zone: naive means UTC in this project.
    """
    column = pl.col("text")
    frame = text.alias("text").to_frame()
    common: pl.Expr = pl.when(column.str.contains(_COMMON)).then(_iso(column, times))
    if times.formats:
        frame = frame.with_columns(_read_in_formats(text, times).alias("time"))
        common = pl.coalesce("time", common)
    frame = frame.with_columns(common.alias("time"))
    if frame["time"].null_count():
        epoch = pl.when(column.str.contains(_EPOCH)).then(_epoch(column))
        frame = frame.with_columns(pl.coalesce("time", epoch).alias("time"))
        zone = ZoneInfo(times.zone)
        rare = _read_each(frame.filter(pl.col("time").is_null())["text"], text, lambda one: read_iso(one, zone))
        frame = frame.with_columns(pl.coalesce("time", rare).alias("time"))
    return frame["time"]


def _read_in_formats(text: pl.Series, times: TimeReading) -> pl.Series:
    """Parse the texts that are in one of the formats."""
    formats, zone = [time_format(pattern) for pattern in times.formats], ZoneInfo(times.zone)

    def read(one: str) -> datetime | None:
        found = (utc for each in formats if (time := each.read(one)) and (utc := _in_utc(time, zone)))
        return next(found, None)

    candidates = text.to_frame("text").filter(
        pl.any_horizontal(pl.col("text").str.contains(each.pattern) for each in formats)
    )
    return _read_each(candidates["text"], text, read)


def _read_each(texts: pl.Series, everywhere: pl.Series, read: Callable[[str], datetime | None]) -> pl.Series:
    """Parse each distinct one of some texts once; null for all others of the column."""
    distinct = texts.drop_nulls().unique()
    if not len(distinct):
        return pl.repeat(None, len(everywhere), dtype=_MICROS, eager=True)
    table = pl.DataFrame({"text": distinct, "time": map(read, distinct)}, schema={"text": pl.String, "time": _MICROS})
    return everywhere.to_frame("text").join(table, on="text", how="left", maintain_order="left")["time"]


def _iso(text: pl.Expr, times: TimeReading) -> pl.Expr:
    """Parse the common ISO notations."""
    fraction = (
        pl.when(text.str.len_bytes() < 26)
        .then(_digits(text, 20, 3) * 1000)
        .otherwise(pl.coalesce(_digits(text, 20, 6), _digits(text, 20, 3) * 1000))
    )
    has_fraction = text.str.slice(19, 1) == "."
    seconds = _digits(text, 11, 2) * 3600 + _digits(text, 14, 2) * 60 + _digits(text, 17, 2)
    day = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).cast(_MICROS).cast(pl.Int64)
    naive = day + seconds * 1_000_000 + pl.when(has_fraction).then(fraction).otherwise(0)
    sign = text.str.slice(-6, 1)
    minutes = _digits(text, -5, 2) * 60 + _digits(text, -2, 2)
    return (
        pl.when(text.str.ends_with("Z"))
        .then(naive.cast(_MICROS))
        .when(sign == "+")
        .then((naive - minutes * 60_000_000).cast(_MICROS))
        .when(sign == "-")
        .then((naive + minutes * 60_000_000).cast(_MICROS))
        .otherwise(_zoned(naive.cast(_MICROS), times.zone))
    )


def _digits(text: pl.Expr, start: int, length: int) -> pl.Expr:
    return text.str.slice(start, length).cast(pl.Int64, strict=False)


def _zoned(naive: pl.Expr, zone: str) -> pl.Expr:
    """Local times in UTC; null for times skipped by a clock change. Of a repeated time, the first is used."""
    if zone == "UTC":
        return naive
    local = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _epoch(text: pl.Expr) -> pl.Expr:
    whole = text.str.extract(r"^(-?[0-9]+)").cast(pl.Int64, strict=False)
    size = whole.abs()
    exact = (
        pl.when(size < _SECONDS)
        .then(whole * 1_000_000)
        .when(size < _MILLIS)
        .then(whole * 1_000)
        .when(size < _MICROSECONDS)
        .then(whole)
        .otherwise(whole.floordiv(1_000))
    )
    unit = pl.when(size < _SECONDS).then(1e6).when(size < _MILLIS).then(1e3).otherwise(1.0)
    part = ("0." + text.str.extract(r"\.([0-9]+)$")).cast(pl.Float64)
    sign = pl.when(text.str.starts_with("-")).then(-1).otherwise(1)
    micros = (part * unit * sign + 1e-4 * sign).cast(pl.Int64).fill_null(0)
    return (exact + micros).cast(_MICROS)


def read_iso(text: str, zone: ZoneInfo) -> datetime | None:
    """Parse one text in an ISO notation, with the same result as `read_timestamps`; naive UTC."""
    match = _PARTS.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    leap = second == 60
    micros = int((match[7] or "0")[:6].ljust(6, "0"))
    try:
        naive = datetime(year, month, day, hour, minute, 59 if leap else second, 0 if leap else micros)  # noqa: DTZ001
        if match[9]:
            offset = timedelta(hours=int(match[10]), minutes=int(match[11] or 0))
            utc: datetime | None = naive - (offset if match[9] == "+" else -offset)
        else:
            utc = naive if match[8] else _to_utc(naive, zone)
        if leap and utc is not None:  # leap seconds are inserted at the end of a UTC day only
            return utc + timedelta(seconds=1) if (utc.hour, utc.minute) == (23, 59) else None
    except (ValueError, OverflowError):
        return None
    return utc


def _in_utc(time: datetime, zone: ZoneInfo) -> datetime | None:
    """A time in UTC; a naive one is in the zone."""
    try:
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else _to_utc(time, zone)
    except (ValueError, OverflowError):
        return None


def _to_utc(naive: datetime, zone: ZoneInfo) -> datetime | None:
    """A local time in UTC; None for a time skipped by a clock change. Of a repeated time, the first is used."""
    utc = naive.replace(tzinfo=zone).astimezone(UTC)
    if utc.astimezone(zone).replace(tzinfo=None) != naive:
        return None
    return utc.replace(tzinfo=None)
