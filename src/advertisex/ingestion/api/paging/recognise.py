"""Recognise how an API is paged, from its first response."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from advertisex.errors import SourceError
from advertisex.ingestion.api.paging.envelope import Envelope
from advertisex.ingestion.api.paging.links import header_link, next_url
from advertisex.ingestion.api.paging.parameters import whole_number
from advertisex.ingestion.api.paging.usual import LINKS, paths
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.options.paginate import CURSOR_HEADERS, CURSORS, Paginate, usual_param

_PAGE_NUMBERS = ("next_page", "nextPage")
_URL = re.compile(r"https?://|\?[^=]+=", re.IGNORECASE)


def recognised(request: Request, response: Response, envelope: Envelope) -> Paginate | None:
    """Return how the next page is asked for; None if the response does not say.

    A link in a header comes before one in the body, and links come before cursors, which have the same meaning.

    Raises:
        SourceError: several links or cursors contradict each other, or a link is not acceptable.
    """
    if header_link(response, request):
        return Paginate("header-link")
    if links := usual_links(request, response, envelope):
        _check_one(links, "links", request, 'type = "json-link", next_path')
        return Paginate("json-link", next_path=next(iter(links)))
    if cursors := usual_cursors(envelope):
        _check_one(cursors, "cursors", request, 'type = "cursor", cursor_path')
        path = next(iter(cursors))
        return Paginate("cursor", cursor_path=path, param=usual_param(path))
    for name, param in CURSOR_HEADERS.items():
        if response.headers.get(name, "").strip():
            return Paginate("cursor", cursor_header=name, param=param)
    return None


def described(paginate: Paginate) -> str:
    """Return how an API is paged in words: `cursor next_cursor, sent as cursor`."""
    match paginate.type:
        case "header-link":
            return "links in the header Link"
        case "json-link":
            return f"links in {paginate.next_path}"
        case _:
            return f"cursor {paginate.cursor_path or paginate.cursor_header}, sent as {paginate.param}"


def usual_links(request: Request, response: Response, envelope: Envelope) -> dict[str, str]:
    """Return the URLs under the usual names, by path."""
    found = ((path, envelope.text(path)) for path in paths(envelope, LINKS))
    own = urlsplit(response.url or request.url).path
    return {path: next_url(text, request, response) for path, text in found if text and _is_url(text, own)}


def usual_cursors(envelope: Envelope) -> dict[str, str]:
    """Return the cursors under the usual names, by path; numbers only if the name is that of a page."""
    found = ((path, envelope.text(path)) for path in paths(envelope, CURSORS))
    return {path: text for path, text in found if text and text.strip() and _is_cursor(path, text)}


def _is_cursor(path: str, text: str) -> bool:
    return whole_number(text) is not None or path.rpartition(".")[2] not in _PAGE_NUMBERS


def _is_url(text: str, own: str) -> bool:
    """Whether a text is a URL, and not a cursor that may begin with a slash."""
    if _URL.match(text):
        return True
    folder = own.rpartition("/")[0] + "/"
    beside = any(path.strip("/") and text.startswith(path) for path in (own, folder))
    return text.startswith("/") and ("?" in text or beside)


def _check_one(found: dict[str, str], what: str, request: Request, setting: str) -> None:
    if len(set(found.values())) > 1:
        first = next(iter(found))
        raise SourceError(
            f"the response has different {what} to the next page: {', '.join(_shown(found))}",
            where=request.where,
            hint=f'name the right one, as in paginate = {{ {setting} = "{first}" }}',
        )


def _shown(found: dict[str, str]) -> Iterator[str]:
    yield from list(found)[:5]
