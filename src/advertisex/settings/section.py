"""What the sections of the settings share."""

from types import UnionType
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from advertisex.feeds.time_format import time_format

FeedName = Literal["impressions", "clicks", "bids"]


class Section(BaseModel):
    """A table of settings. Unknown names are an error, so that typos are noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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
