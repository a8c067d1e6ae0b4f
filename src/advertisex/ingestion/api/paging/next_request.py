"""One page of an API, and the request for the next one by each type of paging."""

from dataclasses import dataclass

from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.api.paging.envelope import Envelope
from advertisex.ingestion.api.paging.links import LONGEST, header_link, next_url
from advertisex.ingestion.api.paging.parameters import Place, with_url
from advertisex.ingestion.api.paging.recognise import usual_cursors, usual_links
from advertisex.ingestion.api.paging.signs import last_page, page_count, says_last, total_of
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.options.paginate import CURSOR_HEADERS, Paginate, usual_param

_OTHER_TYPES = "header-link, page and offset work with every format"


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        request: its request.
        response: its response.
        envelope: what is around its records.
        records: number of its records.
        so_far: number of the records of all pages so far, this one included.
        largest: number of records of the largest page before.
        first: the request for the first page.
    """

    request: Request
    response: Response
    envelope: Envelope
    records: int
    so_far: int
    largest: int
    first: Request


def link_after(paginate: Paginate, page: Page) -> Request | None:
    """Return the request for the link to the next page."""
    if paginate.type == "header-link":
        url = header_link(page.response, page.request)
    elif paginate.next_path is None:
        url = next(iter(usual_links(page.request, page.response, page.envelope).values()), None)
    else:
        link = _text(page, paginate.next_path, "next_path")
        url = link and next_url(link, page.request, page.response)
    return with_url(page.request, url) if url else None


def is_last(paginate: Paginate, page: Page) -> bool:
    """Whether a page says that it is the last one. A link in a header is followed in any case."""
    if paginate.type == "header-link":
        return False
    path = paginate.next_path or paginate.cursor_path
    if path is None and paginate.type == "json-link":
        path = next(iter(usual_links(page.request, page.response, page.envelope)), None)
    elif path is None and paginate.type == "cursor" and paginate.cursor_header is None:
        path = next(iter(usual_cursors(page.envelope)), None)
    return says_last(page.envelope, path)


def cursor_after(paginate: Paginate, page: Page) -> Request | None:
    """Return the request with the cursor of a page."""
    path = paginate.cursor_path
    if paginate.cursor_header:
        cursor = page.response.headers.get(paginate.cursor_header.lower(), "").strip()
        usual = CURSOR_HEADERS.get(paginate.cursor_header.lower())
    elif path is None:
        _check_object(page, "cursor_path")
        path, cursor = next(iter(usual_cursors(page.envelope).items()), ("", ""))
        usual = usual_param(path)
    else:
        cursor, usual = _text(page, path, "cursor_path"), usual_param(path)
    if not cursor:
        return None
    if len(cursor) > LONGEST or not cursor.isprintable():
        raise SourceError(f"the cursor of the response is not text of at most {LONGEST} bytes", hint="check the server")
    return place_of(paginate, paginate.param or paginate.body_param or usual).set(page.request, cursor)


def number_after(paginate: Paginate, page: Page) -> Request | None:
    """Return the request with the next number of a page or a record."""
    if not page.records:
        return None
    place = place_of(paginate)
    start = start_of(paginate, page.first)
    number = place.number(page.request)
    number = start if number is None else number
    if _has_all(paginate, page):
        return None
    if paginate.type == "offset":
        return place.set(page.request, number + page.records)
    return None if _is_last_number(number, start, page) else place.set(page.request, number + 1)


def number_beyond(paginate: Paginate, page: Page) -> Request:
    """Return the request with the number that would follow if a page without records had some."""
    place = place_of(paginate)
    number = place.number(page.request) or 0
    return place.set(page.request, number + (1 if paginate.type == "page" else paginate.limit or page.largest or 1))


def _is_last_number(number: int, start: int, page: Page) -> bool:
    """Whether a page is the last one by the number of pages."""
    count, last = page_count(page.response, page.envelope), last_page(page.envelope)
    is_counted = count is not None and (count.number > 1 or "total" in count.name)
    if count and is_counted and number + (start == 0) >= count.number:
        return True
    return last is not None and number >= last.number


def _has_all(paginate: Paginate, page: Page) -> bool:
    """Whether all records came.

    A total under a usual name may be that of the page, or be limited: it counts if the page is also a short one.
    """
    if paginate.total_path is None:
        total = total_of(page.response, page.envelope)
        is_short = page.records < (paginate.limit or page.largest)
        return total is not None and is_short and page.records < total.number <= page.so_far
    _check_object(page, "total_path")
    number = page.envelope.number(paginate.total_path)
    if number is None:
        raise _leads_nowhere("total_path", paginate.total_path, "a whole number")
    return page.so_far >= number


def place_of(paginate: Paginate, param: str | None = None) -> Place:
    """Return where a request has the cursor, page or offset, or another parameter."""
    param = param or paginate.param or paginate.body_param or ("offset" if paginate.type == "offset" else "page")
    return Place(param, in_body=paginate.body_param is not None)


def start_of(paginate: Paginate, first: Request) -> int:
    """Return the first page or offset: as chosen, else that of the request; offsets start at 0.

    Raises:
        ConfigurationError: the number of the first page is missing.
    """
    if paginate.start is not None:
        return paginate.start
    place = place_of(paginate)
    number = place.number(first)
    if number is None and paginate.type == "page":
        name, where = ("body_param", "body") if paginate.body_param else ("param", f"URL, as in ?{place.param}=1")
        setting = f'paginate = {{ type = "page", {name} = "{place.param}", start = 1 }}'
        raise ConfigurationError(
            "it is not known whether the first page is 0 or 1",
            where=first.where,
            hint=f"put its number into the {where}, or set start, as in {setting}",
        )
    return number or 0


def _text(page: Page, path: str, part: str) -> str:
    """Return a link or cursor of the response; empty if it has none."""
    _check_object(page, part)
    value = page.envelope.value(path)
    if value is None or value == b"null":
        return ""
    text = page.envelope.text(path)
    if text is None:
        raise _leads_nowhere(part, path, "a text or a number")
    return text if text.strip() else ""


def _check_object(page: Page, part: str) -> None:
    if not page.envelope.is_object and page.response.body.strip():
        raise SourceError(f"paginate.{part} needs responses that are JSON objects", hint=_OTHER_TYPES)


def _leads_nowhere(part: str, path: str, expected: str) -> SourceError:
    return SourceError(
        f"the response does not have {expected} at {path}",
        hint=f"correct paginate.{part}",
    )
