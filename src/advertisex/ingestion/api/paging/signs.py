"""Signs in a response that there are more records than it has."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from advertisex.ingestion.api.paging.envelope import Envelope
from advertisex.ingestion.api.paging.parameters import parameter, whole_number
from advertisex.ingestion.api.paging.recognise import usual_cursors, usual_links
from advertisex.ingestion.api.paging.usual import (
    COUNTS,
    CURRENT_PAGES,
    ECHOED,
    END,
    END_CURSORS,
    LAST,
    LAST_PAGES,
    LIMITS,
    LINKS,
    MAYBE_MORE,
    MORE,
    OFFSETS,
    PAGE_COUNT_HEADERS,
    PAGE_COUNTS,
    TOTAL_HEADERS,
    TOTALS,
    UNCLEAR,
    beside,
    paths,
    paths_around,
)  # fmt: skip
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.options.paginate import CURSOR_HEADERS, CURSORS

_PAGE = (
    "--paginate page, with the number of the first page in the URL, as in ?page=1 "
    '(in the settings: paginate = { type = "page", param = "page", start = 1 })'
)
#: Names that are known; their values were looked at.
_KNOWN = {*LINKS, *UNCLEAR, *ECHOED, *MORE, *MAYBE_MORE, *LAST, *TOTALS, *COUNTS, *PAGE_COUNTS, *LAST_PAGES}
#: Other names with one of these words may say that there is more, with values other than these.
_WORDS_OF_MORE = ("next", "more", "bookmark", "scroll")
_NO = ("", "false", "no", "none", "null", "nil", "n")
_NUMBER = re.compile(r"[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?")


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


def says_last(envelope: Envelope, path: str | None) -> bool:
    """Whether a response says that there is no more of what a link or cursor leads to, or of all of its records.

    Args:
        envelope: what is around the records.
        path: path of the link or cursor; None if there is none in the body.
    """
    inner = envelope.lists if path is None else (path,)
    flags = (
        (envelope.flag(flag), names is END) for names in (MORE, END) for flag in paths_around(envelope, names, inner)
    )
    return any(flag is ends for flag, ends in flags)


def hint_of_more(envelope: Envelope, records: int) -> str | None:
    """Return the path of a value whose name and value suggest that there are more than so many records."""
    if says_last(envelope, None):
        return None
    unknown = (path for path in beside(envelope) if path.rpartition(".")[2] not in _KNOWN)
    return next((path for path in unknown if _suggests_more(path, envelope, records)), None)


def _suggests_more(path: str, envelope: Envelope, records: int) -> bool:
    name = "".join(letter for letter in path.rpartition(".")[2].lower() if letter.isalnum())
    is_total = name.startswith("total")
    if not is_total and not any(word in name for word in _WORDS_OF_MORE):
        return False
    number, text = envelope.number(path), envelope.text(path) or ""
    if is_total:
        return number is not None and number > (1 if "page" in name else records)
    if number is not None:
        return number > 0
    return envelope.flag(path) is True or (text.strip().lower() not in _NO and not _NUMBER.fullmatch(text))


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
    unclear = (*usual_cursors(envelope), *paths(envelope, UNCLEAR), *_not_echoed(request, envelope))
    for path in unclear:
        if envelope.value(path) not in (None, b"null") and not says_last(envelope, path):
            return Sign(f"{path} is not empty", _path_setting(path))
    for name in CURSOR_HEADERS:
        if response.headers.get(name, "").strip():
            setting = f'paginate = {{ type = "cursor", cursor_header = "{name}", param = "{CURSOR_HEADERS[name]}" }}'
            return Sign(f"the header {name} is not empty", setting)
    return None


def _not_echoed(request: Request, envelope: Envelope) -> Iterator[str]:
    for path in paths(envelope, ECHOED):
        text, sent = envelope.text(path), parameter(request.url, path.rpartition(".")[2])
        if text and text.strip() and whole_number(text) is None and text != sent:
            yield path


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
