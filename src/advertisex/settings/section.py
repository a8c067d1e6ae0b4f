"""What the sections of the settings share."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from advertisex.feeds.time_format import time_format

FeedName = Literal["impressions", "clicks", "bids"]


class Section(BaseModel):
    """A table of settings. Unknown names are an error, so that typos are noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _time_format(text: str) -> str:
    time_format(text)
    return text


#: A strptime format of timestamps.
TimeFormat = Annotated[str, AfterValidator(_time_format)]
