"""The settings of the collector."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from advertisex.settings.section import Section


def _origin(text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]{1,253}(:\d{1,5})?", text):
        raise ValueError(f"{text!r} is not the origin of a page; write it without a path: https://shop.example.com")
    return text.lower()


class CollectorSettings(Section):
    """What `serve` and `run --serve` take over HTTP as events."""

    enabled: bool = Field(default=False, description="take events over HTTP, and append them to the event log")
    arrival_time: bool = Field(
        default=False,
        description="give posted events without a timestamp the time of their arrival, as the pixel always does",
    )
    public_pixel: bool = Field(
        default=False, description="pixels and billing notices need no token; browsers and exchanges can send none"
    )
    user_agent_field: str = Field(
        default="", description="field of impressions for the User-Agent of who requests the pixel; default: not kept"
    )
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        default=(), description="origins of web pages whose scripts may post events: `https://shop.example.com`"
    )
