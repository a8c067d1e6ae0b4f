"""The settings as understood: each value, and where it was given. Secrets are hidden."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

import polars as pl
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from advertisex.analysis.answer import Table
from advertisex.inspection.place import Place
from advertisex.inspection.reading import Reading
from advertisex.masking import MASK, masked
from advertisex.reporting.cells import duration_text
from advertisex.settings.secrets import SecretText

_Keys = tuple[str | int, ...]
#: The keys of a setting, its value as text, whether it was given, and its description.
_Found = tuple[_Keys, str | None, bool, str]
_COLUMNS = dict.fromkeys(("setting", "value", "given_by", "description"), pl.String)


@dataclass(frozen=True, slots=True)
class Understood(Reading):
    """Every setting: name, value as text (None: not set), where it was given (None: its default), description."""

    rows: Sequence[tuple[str, str | None, str | None, str]]

    def document(self) -> Mapping[str, Any]:
        """What the API gives."""
        return {"settings": [dict(zip(_COLUMNS, row, strict=True)) for row in self.rows]}

    def tables(self) -> list[Table]:
        """The settings that were given, then all others."""
        given, others = ([row for row in self.rows if (row[2] is not None) == is_given] for is_given in (True, False))
        return [
            Table(name, title, pl.DataFrame(rows, schema=_COLUMNS, orient="row"), keys=("setting",))
            for name, title, rows in (("given", "Given", given), ("defaults", "Defaults", others))
        ]

    def notes(self) -> list[str]:
        """What is hidden."""
        return [f"Secrets are shown as {MASK}. The settings are those of the start of this server."]


def settings(place: Place) -> Understood:
    """The settings as understood: each value, and where it was given; secrets are hidden."""
    found = place.settings
    # of these, what is secret is masked: the user and the password
    urls: Mapping[_Keys, str] = {("log", "url"): found.log_url, ("store", "url"): found.store_url}
    return Understood([
        (".".join(map(str, keys)), masked(urls[keys]) if keys in urls else text, origin, description)
        for keys, text, is_given, description in _flat(found, ())
        for origin in [(found.origin(*keys) or "the program") if is_given else None]
    ])  # fmt: skip


def _flat(section: BaseModel, keys: _Keys) -> Iterator[_Found]:
    """The settings of a section."""
    for name, info in type(section).model_fields.items():
        is_given = name in section.model_fields_set
        yield from _values(getattr(section, name), (*keys, name), info, is_given=is_given)


def _values(value: Any, keys: _Keys, info: FieldInfo, *, is_given: bool) -> Iterator[_Found]:
    """The settings of a value: those of its sections, else itself."""
    parts: Mapping[Any, Any] = {}
    match value:
        case BaseModel():
            yield from _flat(value, keys)
            return
        case dict():
            parts = value
        case tuple():
            parts = dict(enumerate(value))
    if parts and all(isinstance(part, BaseModel) for part in parts.values()):
        for name, part in parts.items():
            yield from _values(part, (*keys, name), info, is_given=is_given)
        return
    text = _hidden(value) if _may_be_secret(value, info) else _text(value)
    yield keys, text, is_given, info.description or ""


def _may_be_secret(value: Any, info: FieldInfo) -> bool:
    is_secret = not info.repr or bool(set(get_args(SecretText)[1:]) & set(info.metadata))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
    return is_secret or any(isinstance(part, SecretStr) for part in parts)


def _hidden(value: Any) -> str | None:
    """The names in a table, without the values; of any other value nothing."""
    if isinstance(value, dict):
        return ", ".join(f"{name} = {MASK}" for name in value) or None
    return MASK if value else None


def _text(value: Any) -> str | None:  # noqa: PLR0911 - one return per type
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case timedelta():
            return duration_text(value)
        case datetime():
            return value.isoformat()
        case dict():
            return ", ".join(f"{name} = {_text(inner)}" for name, inner in value.items()) or None
        case tuple() | frozenset() | list():
            return ", ".join(sorted(filter(None, map(_text, value)))) or None
        case BaseModel():
            return ", ".join(f"{'.'.join(map(str, keys))} = {text}" for keys, text, *_ in _flat(value, ()) if text)
        case _:
            return masked(str(value))
