"""The settings of the dashboard and the HTTP API."""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from advertisex.settings.section import Section
from advertisex.settings.sources import unique_names

#: What the holder of a token may do; see `web.roles`.
Role = Literal["viewer", "operator", "ingest"]

_NAME = re.compile(r"[a-z0-9_-]{1,60}", re.ASCII)
_HASH = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


def is_loopback(host: str) -> bool:
    """Whether a name or an address is that of the loopback interface."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _host_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252})", name):
        raise ValueError(f"{name!r} is not the name of a host; write it without a scheme and a port: ads.example.com")
    return name


def _proxy(address: str) -> str:
    try:
        return str(ip_network(address))
    except ValueError:
        raise ValueError(f"{address!r} is not an IP address or a network, such as 10.0.0.0/24") from None


def token_name(name: str) -> str:
    """Check the name of a token.

    Raises:
        ValueError: it is not a valid name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("use a-z, 0-9, _ and -, and at most 60 characters")
    return name


def _hash(text: str) -> str:
    if not _HASH.fullmatch(text):  # never shown: it could be the token itself
        raise ValueError("expected the hash of a token: copy the lines that `advertisex token` printed")
    return text


class TokenSettings(Section):
    """A token that lets a client in."""

    name: Annotated[str, AfterValidator(token_name)] = Field(description="name of its holder; a-z, 0-9, _ and -")
    role: Role = Field(description="what its holder may do, see docs/dashboard.md")
    hash: Annotated[str, AfterValidator(_hash)] = Field(description="hash that `advertisex token` printed")


class WebSettings(Section):
    """What `serve` and `run --serve` listen on, and whom it lets in."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="address to listen on; one that other machines reach needs a token",
    )
    port: int = Field(default=8470, ge=0, le=65_535, description="port of the dashboard and the API; 0 for a free one")
    hosts: tuple[Annotated[str, AfterValidator(_host_name)], ...] = Field(
        default=(), description="names under which browsers reach them, besides `web.host` and those of the loopback"
    )
    proxies: tuple[Annotated[str, AfterValidator(_proxy)], ...] = Field(
        default=(),
        description="addresses of proxies whose headers X-Forwarded-For and X-Forwarded-Proto are believed",
    )
    tokens: Annotated[tuple[TokenSettings, ...], AfterValidator(unique_names)] = Field(
        default=(), description="tokens that let clients in; see docs/dashboard.md"
    )
    access_log: bool = Field(default=False, description="log each request")
