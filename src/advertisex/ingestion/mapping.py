"""What the user says about a source's columns: which field each one is, constants, time formats."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

import msgspec

from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.json_shape import NOT_JSON, json_object

Transform = Callable[[dict[str, Any]], dict[str, Any]]

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """How a source's records become those of a feed; applied in this order.

    Attributes:
        rename: from a column, or a dotted path into nested records, to a field of the feed or an alias of one.
        constants: a value for a field of every record, whatever the record says.
        time_formats: strptime formats, tried in order on the feed's timestamp; a text that matches none stays.
    """

    rename: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    time_formats: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rename or self.constants or self.time_formats)

    def for_feed(self, feed: Feed, unmatched: set[str] | None = None) -> Transform:
        """The mapping as a function of a record (which it leaves alone), with its targets resolved and checked.

        Args:
            feed: whose fields the targets are.
            unmatched: each source of `rename` that a record has is taken out of it.

        Raises:
            ConfigurationError: a target is no field of the feed; a time format is none.
        """
        rename = [(source, _canonical(target, feed, "--map")) for source, target in self.rename.items()]
        constants = {_canonical(target, feed, "--set"): value for target, value in self.constants.items()}
        formats = tuple(_checked(layout) for layout in self.time_formats)
        missing = set() if unmatched is None else unmatched
        times = next(f.names for f in feed.fields if f.kind == "time")

        def transform(record: dict[str, Any]) -> dict[str, Any]:
            # every source is looked up before any target is written, so that two columns can change places
            found = [(source, target, _looked_up(record, source)) for source, target in rename]
            mapped = dict(record)
            for source, _, value in found:
                if value is not _ABSENT:
                    mapped.pop(source, None)
                    missing.discard(source)
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
    hint = f"did you mean {close[0]!r}?" if close else f"its fields are {fields}"
    raise ConfigurationError(f"{feed.name} has no field {target!r}", where=flag, hint=hint)


def _checked(layout: str) -> str:
    try:
        # what it writes it must read; only a directive that strptime does not know fails here
        datetime.strptime(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).strftime(layout), layout)  # noqa: DTZ007
    except (ValueError, KeyError) as error:
        raise ConfigurationError(
            f"{layout!r} is no time format: {error}",
            where="--time-format",
            hint="for instance '%d/%m/%Y %H:%M:%S'",
        ) from error
    return layout


def _looked_up(record: dict[str, Any], source: str) -> Any:
    """The value of a column, or of a dotted path; raw JSON objects on the path are opened."""
    if source in record or "." not in source:
        return record.get(source, _ABSENT)
    value: Any = record
    for step in source.split("."):
        value = _opened(value)
        if not isinstance(value, dict) or step not in value:
            return _ABSENT
        value = value[step]
    return value


def _opened(value: Any) -> Any:
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
        for layout in formats:
            try:
                record[name] = datetime.strptime(text, layout).isoformat()  # noqa: DTZ007 - naive stays naive
            except ValueError:
                continue
            return


def _text(value: Any) -> str | None:
    if isinstance(value, msgspec.Raw):
        try:
            value = msgspec.json.decode(value)
        except NOT_JSON:
            return None
    # a number may be a time as well, such as 20240131 by %Y%m%d
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None
