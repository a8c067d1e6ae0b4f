"""Links to the next page: the header `Link` (RFC 8288), and what makes the URL of a link acceptable."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx

from advertisex.errors import SourceError
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.urls import url_problem
from advertisex.limits import Limit

LONGEST = Limit(16 * 2**10, "bytes", of="a link or a cursor to the next page", beyond="the poll fails and is repeated")

_LINK = re.compile(r'<([^<>]*)>((?:[^,"<]|"(?:[^"\\]|\\.)*+")*+)')
_PARAMETER = re.compile(r';\s*([^\s=;,"]++)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*+)"|([^\s;,"]*)))?')
_ESCAPED = re.compile(r"\\(.)")
_ABSOLUTE = re.compile("https?://", re.IGNORECASE)


def header_link(response: Response, request: Request) -> str | None:
    """Return the URL of the header `Link` with rel="next"; None if there is none.

    Raises:
        SourceError: there are several, or the URL is not acceptable.
    """
    targets = list(_next_targets(response.headers.get("link", "")))
    urls = {next_url(target, request, response) for target in targets}
    if len(urls) > 1:
        raise SourceError(
            'the header Link has several different links with rel="next"',
            where=request.where,
            hint='choose another type of paging, such as paginate = { type = "page", param = "page", start = 1 }',
        )
    return next(iter(urls), None)


def _next_targets(header: str) -> Iterator[str]:
    for target, parameters in _LINK.findall(header):
        found: dict[str, str] = {}
        for name, quoted, plain in _PARAMETER.findall(parameters):
            found.setdefault(name.lower(), _ESCAPED.sub(r"\1", quoted) or plain)  # the first one counts
        if "next" in found.get("rel", "").lower().split() and "anchor" not in found:  # that is a link of another page
            yield target


def next_url(link: str, request: Request, response: Response) -> str:
    """Return the URL of a link, which may be relative to the URL of the response.

    Raises:
        SourceError: it is invalid, on another host, or not encrypted although this page was.
    """
    link = link.strip()
    if len(link) > LONGEST:
        raise _unacceptable(f"the link to the next page is longer than {LONGEST} bytes", request)
    try:
        if not link.isprintable():
            raise ValueError
        url = link if _ABSOLUTE.match(link) else urljoin(response.url or request.url, link)
        url = url.partition("#")[0]
        target, asked = httpx.URL(url), httpx.URL(request.url)
        if url_problem(url):
            raise ValueError
    except (ValueError, httpx.InvalidURL):
        raise _unacceptable("the link to the next page is not a valid URL", request) from None
    _check_origin(target, asked, request)
    if asked.userinfo and not target.userinfo:
        start, rest = url.split("//", 1)
        return f"{start}//{asked.userinfo.decode()}@{rest}"
    return url


def _check_origin(target: httpx.URL, asked: httpx.URL, request: Request) -> None:
    """Check that the credentials of the source would reach nobody else."""
    if asked.scheme == "https" and target.scheme == "http":
        raise _unacceptable(f"the next page is at http://{target.netloc.decode()}, which is not encrypted", request)
    is_upgrade = asked.scheme == "http" and target.scheme == "https" and asked.port is None and target.port is None
    same_port = is_upgrade or (target.scheme, target.port) == (asked.scheme, asked.port)
    if target.host.lower() != asked.host.lower() or not same_port:
        raise _unacceptable(
            f"the next page is on another host, {target.netloc.decode()}, which would get the credentials", request
        )


def _unacceptable(what: str, request: Request) -> SourceError:
    return SourceError(
        what,
        where=request.where,
        hint="use the address of the links as the URL of the source, or choose another type of paging with paginate",
    )
