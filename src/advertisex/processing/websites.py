"""Extracts the host of a website, and its registered domain.

A website is an absolute http(s) URL, or a bare host with an optional port. URLs are parsed by the WHATWG URL standard
(with ada). URLs that a browser would repair by dropping characters, URLs with credentials, and hosts with a macro that
was never replaced are invalid.
"""

import re
from functools import lru_cache

import polars as pl
from ada_url import URL, HostType
from publicsuffixlist import PublicSuffixList

#: Plain URLs that need no parser: an ASCII host whose last label does not start with a digit.
_PLAIN = r"^https?://(?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*(?:/[!-\[\]-~]*)?$"
_BARE = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s/?#@\\:\[\]]+)(:\d{1,5})?")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f]|^\s|\s$")
#: A macro of an ad server in a host: {{HOST}}, ${HOST}, __HOST__. Others, such as %%HOST%%, are invalid anyway.
_MACRO = re.compile(r"[{}$]|(?:^|\.)__[^.]*__(?:\.|$)")
_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)

_suffixes = PublicSuffixList()


def read_hosts(websites: pl.Series) -> pl.Series:
    """The host of each website, in lower case and ASCII; null where the website is null or invalid.

    Args:
        websites: String.
    """
    frame = websites.alias("website").to_frame()
    website = pl.col("website")
    # the parser checks punycode (xn--)
    is_plain = website.str.contains(_PLAIN) & ~website.str.contains("xn--", literal=True)
    host = website.str.splitn("/", 4).struct.field("field_2")
    frame = frame.with_columns(pl.when(is_plain).then(host).alias("host"))
    rare = frame.filter(pl.col("host").is_null() & pl.col("website").is_not_null())["website"].unique()
    if not len(rare):
        return frame["host"]
    table = pl.DataFrame(
        {"website": rare, "rare": [host_of(text) for text in rare]}, schema_overrides={"rare": pl.String}
    )
    return (
        frame.join(table, on="website", how="left", maintain_order="left")
        .select(pl.coalesce("host", "rare").alias("host"))
        .to_series()
    )


def host_of(website: str) -> str | None:
    """The host of one website, or None if invalid; see `read_hosts`."""
    host = _host_of(website)
    if not host or _MACRO.search(host):
        return None
    return host if all(map(_is_label, host.removesuffix(".").split("."))) else None


def _is_label(label: str) -> bool:
    """Whether a part of a host is valid: not empty, and, in punycode, what its Unicode form is encoded as."""
    if not label.startswith("xn--"):
        return label != ""
    try:
        url = _parsed(f"http://{label[4:].encode().decode('punycode')}/")
    except UnicodeError:
        return False
    return url is not None and url.hostname == label


def _host_of(website: str) -> str | None:
    if _FORBIDDEN.search(website):
        return None
    if _ABSOLUTE.match(website):
        url = _parsed(website)
        return url.hostname or None if url and not url.username and not url.password else None
    match = _BARE.fullmatch(website)
    url = _parsed(f"http://{website}/") if match else None
    if match is None or url is None or not url.hostname:
        return None
    host = match[1].lower()
    if url.host_type == HostType.DEFAULT:
        return url.hostname if "." in host.strip(".") or host == "localhost" else None
    return url.hostname if url.hostname == host or host.startswith("[") else None  # a bare 1.2 is not a valid address


def _parsed(text: str) -> URL | None:
    try:
        return URL(text)
    except ValueError:
        return None


def registered_domains(hosts: pl.Series) -> pl.Series:
    """The registered domain of each host (one label below its public suffix); addresses and suffixes are unchanged."""
    distinct = hosts.drop_nulls().unique()
    table = pl.DataFrame(
        {"host": distinct, "domain": [registered_domain(host) for host in distinct]},
        schema={"host": pl.String, "domain": pl.String},
    )
    return hosts.alias("host").to_frame().join(table, on="host", how="left", maintain_order="left")["domain"]


@lru_cache(maxsize=100_000)
def registered_domain(host: str) -> str:
    """The registered domain of one host; see `registered_domains`."""
    if host.startswith("[") or host.replace(".", "").isdigit():
        return host
    return _suffixes.privatesuffix(host) or host
