"""Mapping of a source's columns to fields: renames, constants and time formats."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

import msgspec

from advertisex.codecs.json_split import NOT_JSON, json_object
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed

Transform = Callable[[dict[str, Any]], dict[str, Any]]

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """How the records of a source map to a feed. The attributes are applied in this order.

    Attributes:
        rename: column, or dotted path into nested records -> field of the feed, or an alias.
        constants: field -> value for every record; replaces a value in the record.
        time_formats: strptime formats for the timestamp, tried in order; text that matches none is unchanged.
    """

    rename: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    time_formats: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rename or self.constants or self.time_formats)

    def for_feed(self, feed: Feed, unmatched: set[str] | None = None) -> Transform:
        """Return a function that applies the mapping to a copy of a record.

        Args:
            feed: feed whose fields are the targets.
            unmatched: columns of `rename` that no record had yet; updated as records are mapped.

        Raises:
            ConfigurationError: a target is not a field of the feed, or a time format is invalid.
        """
        rename = [(source, _canonical(target, feed, "--map")) for source, target in self.rename.items()]
        constants = {_canonical(target, feed, "--set"): value for target, value in self.constants.items()}
        formats = tuple(_checked_format(time_format) for time_format in self.time_formats)
        unmatched_columns = set() if unmatched is None else unmatched
        times = next(f.names for f in feed.fields if f.kind == "time")

        def transform(record: dict[str, Any]) -> dict[str, Any]:
            # look up every source before writing any target, so that two columns can be swapped
            found = [(source, target, _lookup(record, source)) for source, target in rename]
            mapped = dict(record)
            for source, _, value in found:
                if value is not _ABSENT:
                    mapped.pop(source, None)
                    unmatched_columns.discard(source)
            mapped.update((target, value) for _, target, value in found if value is not _ABSENT)
            mapped.update(constants)
            if formats:
                _standardise_time(mapped, times, formats)
            return mapped

        return transform


def _canonical(target: str, feed: Feed, flag: str) -> str:
    known = feed.field_named(target)
    if known is not None:
        return known.name
    names = [name for f in feed.fields for name in f.names]
    close = get_close_matches(target, names, n=1)
    fields = ", ".join(f.name for f in feed.fields)
    hint = f"did you mean {close[0]!r}?" if close else f"expected one of {fields}"
    raise ConfigurationError(f"{feed.name} has no field {target!r}", where=flag, hint=hint)


def _checked_format(time_format: str) -> str:
    try:
        # round trip: only directives that strptime does not support fail
        datetime.strptime(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).strftime(time_format), time_format)  # noqa: DTZ007
    except (ValueError, KeyError) as error:
        raise ConfigurationError(
            f"{time_format!r} is not a valid time format: {error}",
            where="--time-format",
            hint="use strptime directives, such as '%d/%m/%Y %H:%M:%S'",
        ) from error
    return time_format


def _lookup(record: dict[str, Any], source: str) -> Any:
    """Return the value of a column or a dotted path; raw JSON objects on the path are decoded."""
    if source in record or "." not in source:
        return record.get(source, _ABSENT)
    value: Any = record
    for step in source.split("."):
        value = _decode_object(value)
        if not isinstance(value, dict) or step not in value:
            return _ABSENT
        value = value[step]
    return value


def _decode_object(value: Any) -> Any:
    if not isinstance(value, msgspec.Raw):
        return value
    try:
        return json_object(value)
    except NOT_JSON:
        return None


def _standardise_time(record: dict[str, Any], names: tuple[str, ...], formats: tuple[str, ...]) -> None:
    for name in names:
        text = _text(record.get(name))
        if text is None:
            continue
        for time_format in formats:
            try:
                record[name] = datetime.strptime(text, time_format).isoformat()  # noqa: DTZ007 - naive stays naive
            except ValueError:
                continue
            return


def _text(value: Any) -> str | None:
    if isinstance(value, msgspec.Raw):
        try:
            value = msgspec.json.decode(value)
        except NOT_JSON:
            return None
    # a number can be a time too, such as 20240131 for %Y%m%d
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
