"""Mapping of a source's columns to fields: renames, constants and time formats."""

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import msgspec

from advertisex.codecs.json_text import NOT_JSON, at_path, is_missing_json
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.feeds.time_format import TimeFormat, time_format
from advertisex.feeds.words import is_missing

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """How the records of a source map to a feed. The attributes are applied in this order.

    Attributes:
        rename: column, or dotted path into nested records -> field of the feed, or an alias; missing values do not
            replace a given one.
        constants: field -> value for every record; replaces a value in the record.
        time_formats: strptime formats for the timestamp (see `TimeFormat`), tried in order; text that matches none is
            unchanged.
    """

    rename: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    time_formats: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rename or self.constants or self.time_formats)

    def for_feed(self, feed: Feed) -> "FeedMapping":
        """Return the mapping for the records of a feed.

        Raises:
            ConfigurationError: a target is not a field of the feed, or a time format is invalid.
        """
        return FeedMapping(self, feed)


class FeedMapping:
    """A mapping for the records of one feed; tracks which columns the records contain. See `FieldMapping.for_feed`."""

    def __init__(self, mapping: FieldMapping, feed: Feed) -> None:
        self._rename = [(column, canonical(target, feed, "--map")) for column, target in mapping.rename.items()]
        self._constants = {canonical(target, feed, "--set"): value for target, value in mapping.constants.items()}
        self._formats = tuple(map(_checked_format, mapping.time_formats))
        self._times = next(f.names for f in feed.fields if f.kind == "time")
        self._seen: set[str] = set()
        self.timed = 0  # records with a timestamp in one of the formats

    @property
    def unmatched(self) -> tuple[str, ...]:
        """The renamed columns that no record has contained so far."""
        return tuple(column for column, _ in self._rename if column not in self._seen)

    def apply(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a mapped copy of a record."""
        # look up every column before writing any target, so that two columns can be swapped
        found = [
            (column, target, value)
            for column, target in self._rename
            if (value := at_path(record, column, _ABSENT)) is not _ABSENT
        ]
        mapped = dict(record)
        for column, _, _ in found:
            mapped.pop(column, None)
            self._seen.add(column)
        for _, target, value in found:
            # a missing value does not replace one that is given
            if target not in mapped or not _is_missing(value):
                mapped[target] = value
        mapped.update(self._constants)
        if self._formats:
            self.timed += _standardise_time(mapped, self._times, self._formats)
        return mapped


def canonical(target: str, feed: Feed, flag: str) -> str:
    """Return the canonical name of a field that an option names.

    Raises:
        ConfigurationError: it is not a field of the feed.
    """
    known = feed.field_named(target)
    if known is not None:
        return known.name
    names = [name for f in feed.fields for name in f.names]
    close = get_close_matches(target, names, n=1)
    fields = ", ".join(f.name for f in feed.fields)
    hint = f"did you mean {close[0]!r}?" if close else f"expected one of {fields}"
    raise ConfigurationError(f"{feed.name} has no field {target!r}", where=flag, hint=hint)


def _checked_format(text: str) -> TimeFormat:
    try:
        return time_format(text)
    except ValueError as error:
        hint = "use strptime directives, such as '%d/%m/%Y %H:%M:%S'"
        raise ConfigurationError(str(error), where="--time-format", hint=hint) from error


def _is_missing(value: Any) -> bool:
    return is_missing_json(value) if isinstance(value, msgspec.Raw) else is_missing(value)


def _standardise_time(record: dict[str, Any], names: tuple[str, ...], formats: tuple[TimeFormat, ...]) -> bool:
    """Rewrite the timestamp of a record as RFC 3339; returns whether it has one of the formats."""
    for name in names:
        text = _text(record.get(name))
        if text is None:
            continue
        time = next((time for time_format in formats if (time := time_format.read(text.strip()))), None)
        if time is not None:
            record[name] = time.isoformat()  # naive stays naive
            return True
    return False


def _text(value: Any) -> str | None:
    if isinstance(value, msgspec.Raw):
        try:
            value = msgspec.json.decode(value)
        except NOT_JSON:
            return None
    # a number can be a time too, such as 20240131 for %Y%m%d
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
