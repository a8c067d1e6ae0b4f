"""Signs in a response that there are more records than it has."""

from dataclasses import dataclass

from advertisex.ingestion.api.paging.envelope import Envelope
from advertisex.ingestion.api.paging.parameters import parameter, whole_number
from advertisex.ingestion.api.paging.recognise import usual_cursors, usual_links
from advertisex.ingestion.api.paging.usual import (
    COUNTS,
    CURRENT_PAGES,
    END_CURSORS,
    LAST,
    LAST_PAGES,
    LIMITS,
    MAYBE_MORE,
    MORE,
    OFFSETS,
    PAGE_COUNT_HEADERS,
    PAGE_COUNTS,
    TOTAL_HEADERS,
    TOTALS,
    UNCLEAR,
    paths,
)  # fmt: skip
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.paginate import CURSOR_HEADERS, CURSORS

_PAGE = (
    "--paginate page, with the number of the first page in the URL, as in ?page=1 "
    '(in the settings: paginate = { type = "page", param = "page", start = 1 })'
)


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign of more.

    Attributes:
        what: the sign, such as `has_more is true`.
        setting: what may have to be set.
    """

    what: str
    setting: str


@dataclass(frozen=True, slots=True)
class Total:
    """A total number of records.

    Attributes:
        name: its path or header.
        number: the number.
    """

    name: str
    number: int


def sign_of_more(request: Request, response: Response, envelope: Envelope, records: int) -> Sign | None:
    """Return a sign that there is more than the records so far; None without one."""
    return (
        flag_of_more(envelope)
        or _unused_link(request, response, envelope)
        or _total_above(request, response, envelope, records)
        or _page_count_above(request, response, envelope)
    )


def flag_of_more(envelope: Envelope) -> Sign | None:
    """Return the flag that says that there is more; None without one."""
    for names, more in (((*MORE, *MAYBE_MORE), True), (LAST, False)):
        for path in paths(envelope, names):
            if envelope.flag(path) is more:
                return Sign(f"{path} is {str(more).lower()}", _cursor_setting(path, envelope))
    return None


def says_last(envelope: Envelope) -> bool:
    """Whether a response says that there is no more."""
    return any(envelope.flag(path) is False for path in paths(envelope, MORE))


def total_of(response: Response, envelope: Envelope) -> Total | None:
    """Return the total number of records under its usual names; the largest if there are several."""
    named = ((path, envelope.number(path)) for path in paths(envelope, TOTALS))
    sent = ((name, whole_number(response.headers.get(name, "").strip())) for name in TOTAL_HEADERS)
    found = [Total(name, number) for name, number in (*named, *sent) if number is not None]
    return max(found, key=lambda total: total.number, default=None)


def page_count(response: Response, envelope: Envelope) -> Total | None:
    """Return the number of pages under its usual names."""
    named = ((path, envelope.number(path)) for path in paths(envelope, PAGE_COUNTS))
    sent = ((name, whole_number(response.headers.get(name, "").strip())) for name in PAGE_COUNT_HEADERS)
    return next((Total(name, number) for name, number in (*named, *sent) if number), None)


def last_page(envelope: Envelope) -> Total | None:
    """Return the number of the last page under its usual names."""
    named = ((path, envelope.number(path)) for path in paths(envelope, LAST_PAGES))
    return next((Total(name, number) for name, number in named if number), None)


def reaches_limit(request: Request, records: int) -> str | None:
    """Return the parameter that limits a response to as many records as came; None without one."""
    return next((name for name in LIMITS if whole_number(parameter(request.url, name)) == records > 0), None)


def _unused_link(request: Request, response: Response, envelope: Envelope) -> Sign | None:
    for path in usual_links(request, response, envelope):
        return Sign(f"there is a link in {path}", f'paginate = {{ type = "json-link", next_path = "{path}" }}')
    for path in (*usual_cursors(envelope), *paths(envelope, UNCLEAR)):
        if envelope.value(path) not in (None, b"null"):
            return Sign(f"{path} is not empty", _path_setting(path))
    for name in CURSOR_HEADERS:
        if response.headers.get(name, "").strip():
            setting = f'paginate = {{ type = "cursor", cursor_header = "{name}", param = "{CURSOR_HEADERS[name]}" }}'
            return Sign(f"the header {name} is not empty", setting)
    return None


def _total_above(request: Request, response: Response, envelope: Envelope, records: int) -> Sign | None:
    total = total_of(response, envelope)
    counts = [Total(path, number) for path in paths(envelope, COUNTS) if (number := envelope.number(path))]
    for found in ([total] if total else []) + counts:
        if found.number > records:
            offset = next((name for name in OFFSETS if parameter(request.url, name) is not None), None)
            setting = f'paginate = {{ type = "offset", param = "{offset}" }}' if offset else _PAGE
            return Sign(f"{found.name} is {found.number}, records so far: {records}", setting)
    return None


def _page_count_above(request: Request, response: Response, envelope: Envelope) -> Sign | None:
    current = (envelope.number(path) for path in paths(envelope, CURRENT_PAGES))
    asked = whole_number(parameter(request.url, "page"))
    at = next((number for number in current if number is not None), asked)
    for count in (page_count(response, envelope), last_page(envelope)):
        if count and count.number > max(1, at or 0):
            return Sign(f"{count.name} is {count.number}", _PAGE)
    return None


def _cursor_setting(flag: str, envelope: Envelope) -> str:
    """Return a setting for a cursor beside a flag."""
    beside = flag.rpartition(".")[0]
    for name in END_CURSORS:
        path = f"{beside}.{name}" if beside else name
        if envelope.text(path):
            return f'paginate = {{ type = "cursor", cursor_path = "{path}", param = "…" }}, {_PARAMETER}'
    return _PAGE


def _path_setting(path: str) -> str:
    name = path.rpartition(".")[2]
    param = CURSORS.get(name) or name.removeprefix("next_").removeprefix("next")
    param = "page" if param == "" else param[:1].lower() + param[1:]
    return f'paginate = {{ type = "cursor", cursor_path = "{path}", param = "{param}" }}, {_PARAMETER}'


_PARAMETER = "with the parameter that the API documents"
