"""What the sections of the settings share."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import UnionType
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ByteSize, ConfigDict, model_validator
from pydantic.fields import FieldInfo

from advertisex.feeds.time_format import time_format

FeedName = Literal["impressions", "clicks", "bids"]


class Section(BaseModel):
    """A table of settings. Unknown names are an error, so that typos are noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_flags(cls, values: Any) -> Any:
        return without_flags(values, cls.model_fields)


def without_flags(values: Any, fields: Mapping[str, FieldInfo]) -> Any:
    """The values of a table, with true and false as text where a number is expected: they are not valid as 1 and 0."""
    if not isinstance(values, dict):
        return values
    numbers = {name for name, field in fields.items() if _NUMBERS & {*_kinds(field.annotation)}}
    return {
        name: str(value).lower() if isinstance(value, bool) and name in numbers else value
        for name, value in values.items()
    }


#: Types that would take true and false as numbers.
_NUMBERS = {int, float, ByteSize, timedelta}


def _kinds(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def with_type(tables: UnionType) -> BeforeValidator:
    """Return what checks the `type` of a table that is one of several, before its other parts."""
    names = [name for table in get_args(tables) for name in get_args(table.model_fields["type"].annotation)]

    def checked(value: Any) -> Any:
        if isinstance(value, dict) and value.get("type") not in names:
            raise ValueError(f"expected the type {', '.join(names[:-1])} or {names[-1]}")
        return value

    return BeforeValidator(checked)


def _time_format(text: str) -> str:
    time_format(text)
    return text


#: A strptime format of timestamps.
TimeFormat = Annotated[str, AfterValidator(_time_format)]
