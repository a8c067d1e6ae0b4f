"""A response that is equal to an earlier one, and so has nothing new."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime

import xxhash

from advertisex.ingestion.api.paging.usual import PAGE_COUNT_HEADERS, TOTAL_HEADERS
from advertisex.ingestion.api.request import Response
from advertisex.ingestion.api.state import EarlierResponse, shown_time
from advertisex.ingestion.options.paginate import CURSOR_HEADERS, Paginate
from advertisex.ingestion.records import Chunk, Reader, Reading

NOT_MODIFIED = 304
_PAGING_HEADERS = {"link", *TOTAL_HEADERS, *PAGE_COUNT_HEADERS, *CURSOR_HEADERS}
#: Starts of the names of further headers that say how to go on after a page.
_PAGING_STARTS = ("x-next", "x-total", "x-page", "x-has")
#: A change within the second of Last-Modified cannot be seen in it. RFC 9110, section 8.8.2.2, asks for this distance.
_SETTLED = timedelta(seconds=60)


class Unchanged(Reader):
    """Reports a response that has nothing new."""

    def __init__(self, known: EarlierResponse) -> None:
        since = f"since {shown_time(known.at)}"
        seen = Counter(seen=known.records)
        self.reading = Reading(known.format, {"unchanged": since}, rows=known.records, skipped=seen)

    def chunks(self) -> Iterator[Chunk]:
        return iter(())


def earlier_of(
    response: Response, paginate: Paginate | None, request: bytes, form: str, records: int, at: int
) -> EarlierResponse:
    """Return what is kept of a response that is all that an API has; see `EarlierResponse`."""
    etag, modified = validators(response.headers)
    paging = _digest(_paging_of(response, paginate))
    return EarlierResponse(request, response_digest(response, paginate), form, records, at, etag, modified, paging)


def is_unchanged(response: Response, known: EarlierResponse, paginate: Paginate | None) -> bool:
    """Whether a response is equal to an earlier one; a response 304 may leave out how to go on."""
    if response.status == NOT_MODIFIED:
        paging = _paging_of(response, paginate)
        return not paging or _digest(paging) == known.paging
    return response_digest(response, paginate) == known.digest


def can_grow(paginate: Paginate | None) -> bool:
    """Whether the first page may stay as it is although there are more: its numbers do not say what follows."""
    return paginate is not None and paginate.type in ("page", "offset")


def response_digest(response: Response, paginate: Paginate | None) -> bytes:
    """Return a digest of a body, and of the headers that say how to go on after it."""
    return xxhash.xxh3_128_digest(xxhash.xxh3_128_digest(response.body) + _digest(_paging_of(response, paginate)))


def validators(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the ETag and the Last-Modified of a response with which a later one can be compared; empty without one.

    With an ETag, that alone is used, as it is the more exact one.
    """
    if etag := headers.get("etag", ""):
        return etag, ""
    modified = headers.get("last-modified", "")
    try:
        age = parsedate_to_datetime(headers.get("date", "")) - parsedate_to_datetime(modified)
    except (ValueError, TypeError):  # absent, or not comparable
        return "", ""
    return "", modified if age >= _SETTLED else ""


def _paging_of(response: Response, paginate: Paginate | None) -> dict[str, str]:
    chosen = ((paginate.cursor_header if paginate else None) or "").lower()
    return {
        name: value
        for name, value in sorted(response.headers.items())
        if name in _PAGING_HEADERS or name == chosen or name.startswith(_PAGING_STARTS)
    }


def _digest(headers: Mapping[str, str]) -> bytes:
    return xxhash.xxh3_128_digest("".join(f"{name}: {value}\n" for name, value in headers.items()).encode())
