"""The names under which responses usually have what belongs to their paging."""

from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, urlsplit

from advertisex.ingestion.api.paging.envelope import Envelope
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.paginate import Paginate

#: URLs of the next page; `next` may also be an object.
LINKS = (
    "next", "next.href", "next.url", "next.link", "next_url", "nextUrl", "next_uri", "nextUri", "next_link", "nextLink",
    "next_href", "next_page", "nextPage", "next_page_url", "nextPageUrl", "next_page_link", "nextPageLink",
    "@odata.nextLink", "odata.nextLink", "__next", "nextRecordsUrl",
)  # fmt: skip
#: Names of what might lead to the next page, but not how.
UNCLEAR = (
    "next", "next_page", "nextPage", "next_token", "nextToken", "NextToken", "next_key", "nextKey", "next_offset",
    "nextOffset", "next_start", "next_id", "next_max_id", "pagination_token", "paginationToken",
)  # fmt: skip
#: Cursors beside a flag that says that there is more; those that lead on without one are in `paginate.CURSORS`.
END_CURSORS = ("end_cursor", "endCursor", "after", "after_cursor", "afterCursor", "cursor")
#: Whether there is more. Only those that say `False` without ambiguity end the paging.
MORE = ("has_more", "hasMore", "has_next", "hasNext", "has_next_page", "hasNextPage", "more_results", "moreResults")
MAYBE_MORE = (
    "more", "more_items_in_collection", "has_more_items", "hasMoreItems", "is_truncated", "isTruncated", "IsTruncated",
)  # fmt: skip
LAST = ("is_last", "isLast", "is_last_page", "isLastPage", "last_page", "lastPage", "last")
TOTALS = (
    "total", "total_count", "totalCount", "total_results", "totalResults", "total_records", "totalRecords",
    "total_items", "totalItems", "total_rows", "totalRows", "total_elements", "totalElements", "total_size",
    "totalSize", "@odata.count", "hits.total",
)  # fmt: skip
#: A number of all records, or of those of the page.
COUNTS = ("count", "record_count", "recordCount")
PAGE_COUNTS = ("total_pages", "totalPages", "num_pages", "numPages", "page_count", "pageCount", "pages")
LAST_PAGES = ("last_page", "lastPage")
CURRENT_PAGES = ("page", "current_page", "currentPage", "page_number", "pageNumber", "number")
TOTAL_HEADERS = ("x-total-count", "x-total", "x-wp-total", "total-count")
PAGE_COUNT_HEADERS = ("x-total-pages", "x-wp-totalpages")
#: Where a client usually says how far it is, in the words of an offset.
OFFSETS = ("offset", "skip", "start", "from")
#: Parameters with which a link to the next page has a number.
NUMBERS = ("page", "offset", "skip", "start")
#: Parameters that limit the number of records of a response.
LIMITS = (
    "limit", "per_page", "perPage", "page_size", "pageSize", "pagesize", "size", "count", "max_results", "maxResults",
    "$top", "top", "first", "rows", "page[size]", "page[limit]",
)  # fmt: skip


def paths(envelope: Envelope, names: Iterable[str]) -> Iterator[str]:
    """Yield the paths at which an envelope has one of the names, or at least the first step of one."""
    for path, members in envelope.places:
        for name in names:
            if name in members or name.partition(".")[0] in members:
                yield f"{path}.{name}" if path else name


def is_numbered(paginate: Paginate | None, request: Request) -> bool:
    """Whether a request asks for a page by a number: records can move from one page to another while they are read."""
    names = {name.lower() for name, _ in parse_qsl(urlsplit(request.url).query)}
    return (paginate is not None and paginate.type in ("page", "offset")) or not names.isdisjoint(NUMBERS)
