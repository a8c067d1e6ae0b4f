"""The settings of the dashboard and the HTTP API."""

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field

from advertisex.settings.section import Section


def _loopback(host: str) -> str:
    try:
        is_local = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local:
        raise ValueError(f"{host!r} is not a loopback address; the server has no accounts, so use 127.0.0.1")
    return host


def _host_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})", name):
        raise ValueError(f"{name!r} is not the name of a host; write it without a scheme and a port: ads.example.com")
    return name


class WebSettings(Section):
    """What `advertisex serve` listens on."""

    host: Annotated[str, AfterValidator(_loopback)] = Field(default="127.0.0.1", description="loopback address to use")
    port: int = Field(default=8470, ge=0, le=65_535, description="port of the dashboard and the API; 0 for a free one")
    hosts: tuple[Annotated[str, AfterValidator(_host_name)], ...] = Field(
        default=(), description="names under which a proxy or a tunnel reaches them, besides those of the loopback"
    )
