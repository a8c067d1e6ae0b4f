"""Find the request for the next page."""

from dataclasses import replace

from xxhash import xxh3_128_digest

from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.api.paging.envelope import envelope_of
from advertisex.ingestion.api.paging.next_request import (
    Page,
    cursor_after,
    is_last,
    link_after,
    number_after,
    number_beyond,
    place_of,
    start_of,
)
from advertisex.ingestion.api.paging.recognise import described, recognised
from advertisex.ingestion.api.paging.signs import flag_of_more, hint_of_more, reaches_limit, sign_of_more, total_of
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.options.paginate import Paginate

_ONE_PAGE = "--paginate none takes the first page only"


class Pager:
    """Finds the next page of one poll. It reads the position from the requests, so a poll can resume at any page.

    Args:
        paginate: how the API is paged, checked; None to recognise it in the first response.
        first: the request as configured.
        records: records of the earlier pages of a poll that is resumed.
        missing: so many records fewer than the server's total came in earlier polls, and were accepted.

    Attributes:
        first: the request for the first page, with the number, offset or limit where these are sent.
        paginate: how the API is paged: the choice or what was recognised; None if nothing was. A poll that is resumed
            later should be given what was recognised.
        detected: what was recognised, to show: `cursor next_cursor, sent as cursor`; empty for a choice of the user.
        records: number of records of all pages so far, those of the Args included.
        pages: number of pages seen.
        missing: how many records fewer than the server's total have come, once pages are at their end.
        warning: what to report after the last page, such as a total of the server above what came; else empty.

    Raises:
        ConfigurationError: the request does not fit to the choice, such as `body_param` without a JSON body, or the
            number of the first page is missing.
    """

    def __init__(self, paginate: Paginate | None, first: Request, *, records: int = 0, missing: int = 0) -> None:
        self.paginate = paginate
        self.first = first if paginate is None else _first(paginate, first)
        self.detected = ""
        self.records = records
        self.pages = 0
        self.warning = ""
        self._is_resumed = records > 0
        self._largest = 0
        self._empty = 0  # pages in a row
        self._accepted, self.missing = missing, 0
        self._asked: set[bytes] = set()
        self._seen: dict[bytes, int] = {}

    def following(self, request: Request, response: Response, records: int) -> Request | None:
        """Return the request for the next page, or None after the last one.

        The headers If-None-Match and If-Modified-Since of the request are left out of it.

        Args:
            request: the request of this page.
            response: its response, with status 200 or 204.
            records: number of records in it, bad ones included.

        Raises:
            SourceError: there is more, but it is not known how to ask for it; a page or a request repeats; the next
                page is on another host; a path of the choice leads nowhere. Hints name what to set.
        """
        self.pages += 1
        self.records += records
        if self.paginate is not None and self.paginate.type == "none":
            return None
        page = Page(request, response, envelope_of(response), records, self.records, self._largest, self.first)
        self._largest = max(self._largest, records)
        self._empty = 0 if records else self._empty + 1
        try:
            return self._following(page)
        except SourceError as error:
            raise SourceError(error.what, where=error.where or request.where, hint=error.hint) from None

    def _following(self, page: Page) -> Request | None:
        self._check_new(page)
        if self.paginate is None:
            self.paginate = recognised(page.request, page.response, page.envelope)
            if self.paginate is None:
                self._check_last(page)
                return None
            self.detected = described(self.paginate)
        following = None if is_last(self.paginate, page) else self._after(self.paginate, page)
        if following is None:
            self._check_end(page)
        elif _digest(following) in self._asked:
            if page.records:
                raise SourceError(
                    f"page {self.pages} leads to a page that was read before, so the paging would never end",
                    hint=f"the server may not know the parameter: set paginate, or {_ONE_PAGE}",
                )
            return None
        return following

    def _check_new(self, page: Page) -> None:
        """Check that the records of a page did not come before."""
        self._asked.add(_digest(page.request))
        before = self._seen.setdefault(page.envelope.fingerprint, self.pages)
        if page.records and before != self.pages:
            raise SourceError(
                f"page {self.pages} has the same records as page {before}",
                hint=f"the server may not know the parameter of the paging: set paginate, or {_ONE_PAGE}",
            )

    def _check_end(self, page: Page) -> None:
        """Check that a response without a next page has no sign of more."""
        assert self.paginate is not None
        path = self.paginate.next_path or self.paginate.cursor_path
        is_said = path is not None and page.envelope.value(path) is not None
        is_first = self.pages == 1 and not self._is_resumed
        if is_first and not is_said and self.paginate.type in ("header-link", "json-link", "cursor"):
            self._check_last(page)
        elif flag := flag_of_more(page.envelope):
            raise SourceError(
                f"page {self.pages} does not lead to a next page, but {flag.what}",
                hint=f"set {flag.setting}, or {_ONE_PAGE}",
            )
        total = total_of(page.response, page.envelope)
        if total and total.number > self.records:
            self.missing = total.number - self.records
            self._total_above(page, f"{total.name} is {total.number}, records so far: {self.records}")

    def _after(self, paginate: Paginate, page: Page) -> Request | None:
        following = _after(paginate, page)
        return number_beyond(paginate, page) if following is None and self._may_be_a_gap(page) else following

    def _may_be_a_gap(self, page: Page) -> bool:
        """Whether a page without records may be one of several pages: the first in a row, below the server's total."""
        assert self.paginate is not None
        total = total_of(page.response, page.envelope)
        is_below = total is not None and total.number > self.records > 0
        return self.paginate.type in ("page", "offset") and self._empty == 1 and is_below

    def _total_above(self, page: Page, what: str) -> None:
        """Report a total above what came: pages that end too early are an error until they do so once more."""
        numbered = self.paginate is not None and self.paginate.type in ("page", "offset")
        is_repeated = self._is_resumed and not self._largest
        if numbered and not self.records:
            raise SourceError(what, hint="check paginate.start and paginate.param")
        if numbered and self._empty and not is_repeated and self.missing > self._accepted:
            raise SourceError(
                f"the pages end too early: {what}",
                hint="the next poll asks again; if they end there again, the total is taken for wrong, with a warning",
            )
        hint = "the total may be wrong" if numbered else "the server may limit what it gives"
        self.warning = f"{what}; {hint}"

    def _check_last(self, page: Page) -> None:
        """Check that the first page has no sign of another."""
        sign = sign_of_more(page.request, page.response, page.envelope, self.records)
        if sign is not None:
            raise SourceError(
                f"there are more pages, but the response does not say how to ask for them: {sign.what}",
                hint=f"set {sign.setting}; {_ONE_PAGE}",
            )
        if limit := reaches_limit(page.request, page.records):
            self.warning = f"the response has as many records as {limit} asks for, so there may be more; set paginate"
        elif path := hint_of_more(page.envelope, self.records):
            self.warning = f"there may be more pages, since the response has {path}; if so, set paginate"


def _digest(request: Request) -> bytes:
    return xxh3_128_digest(request.url.encode("utf-8", "surrogatepass") + b"\n" + (request.body or b""))


def _first(paginate: Paginate, first: Request) -> Request:
    """Return the request for the first page."""
    if paginate.type not in ("cursor", "page", "offset"):
        return first
    if paginate.body_param:
        place_of(paginate).check(first)
    if paginate.type == "cursor":
        return first
    conditional = first.headers
    place = place_of(paginate)
    request = place.set(first, start_of(paginate, first))
    if paginate.limit is not None:
        request = place_of(paginate, paginate.limit_param or "limit").set(request, paginate.limit)
    return replace(request, headers=conditional)


def _after(paginate: Paginate, page: Page) -> Request | None:
    match paginate.type:
        case "header-link" | "json-link":
            return link_after(paginate, page)
        case "cursor":
            return cursor_after(paginate, page)
        case "page" | "offset":
            return number_after(paginate, page)
        case _:
            raise ConfigurationError(f"unknown type of paging {paginate.type!r}", where="paginate.type")
