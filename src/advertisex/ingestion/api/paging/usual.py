"""The names under which responses usually have what belongs to their paging."""

from collections.abc import Collection, Iterable, Iterator
from urllib.parse import parse_qsl, urlsplit

from advertisex.ingestion.api.paging.envelope import Envelope, Place
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.options.paginate import CURSORS, Paginate

#: URLs of the next page; `next` may also be an object.
LINKS = (
    "next", "next.href", "next.url", "next.link", "next_url", "nextUrl", "next_uri", "nextUri", "next_link", "nextLink",
    "next_href", "next_page", "nextPage", "next_page_url", "nextPageUrl", "next_page_link", "nextPageLink",
    "@odata.nextLink", "odata.nextLink", "__next", "nextRecordsUrl", "nextResultsUri", "nextResultsUrl", "hydra:next",
    "@nextpageuri",
)  # fmt: skip
#: Names of what might lead to the next page, but not how.
UNCLEAR = (
    "next", "next_page", "nextPage", "next_token", "nextToken", "NextToken", "next_key", "nextKey", "next_offset",
    "nextOffset", "next_start", "next_id", "next_max_id", "next_page_id", "nextPageId", "pagination_token",
    "paginationToken", "bookmark", "_scroll_id", "LastEvaluatedKey", "after_cursor", "afterCursor", "after_url",
    "search_after",
    *CURSORS,
)  # fmt: skip
#: The same, unless it is a number or what the request has under this name: some servers repeat that.
ECHOED = ("cursor", "offset", "page_token", "pageToken")
#: Cursors beside a flag that says that there is more; those that lead on without one are in `paginate.CURSORS`.
END_CURSORS = ("end_cursor", "endCursor", "after", "after_cursor", "afterCursor", "cursor")
#: Whether there is more. Only those that say `False` without ambiguity end the paging.
MORE = (
    "has_more", "hasMore", "has_next", "hasNext", "has_next_page", "hasNextPage", "more_results", "moreResults",
    "has_more_results", "hasMoreResults", "more_records", "moreRecords", "more_data_available", "moreDataAvailable",
)  # fmt: skip
MAYBE_MORE = (
    "more", "more_items_in_collection", "has_more_items", "hasMoreItems", "is_truncated", "isTruncated", "IsTruncated",
)  # fmt: skip
#: Whether this is all; `true` ends the paging, also if the response leads to its own page.
END = ("end_of_stream", "endOfStream")
LAST = (
    *END, "done", "payloadComplete", "is_last", "isLast", "is_last_page", "isLastPage", "last_page", "lastPage", "last",
)  # fmt: skip
TOTALS = (
    "total", "total_count", "totalCount", "total_results", "totalResults", "total_records", "totalRecords",
    "total_items", "totalItems", "total_rows", "totalRows", "total_elements", "totalElements", "total_size",
    "totalSize", "total_number", "totalNumber", "total_row_count", "totalRowCount", "records_total", "recordsTotal",
    "hydra:totalItems", "@total", "@odata.count", "hits.total",
)  # fmt: skip
#: A number of all records, or of those of the page.
COUNTS = ("count", "record_count", "recordCount")
PAGE_COUNTS = (
    "total_pages", "totalPages", "total_page", "totalPage", "num_pages", "numPages", "page_count", "pageCount", "pages",
    "@numpages",
)  # fmt: skip
LAST_PAGES = ("last_page", "lastPage")
CURRENT_PAGES = ("page", "current_page", "currentPage", "page_number", "pageNumber", "number", "@page")
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
    return (path for _, path in _found(envelope, names))


def paths_around(envelope: Envelope, names: Iterable[str], inner: Collection[str]) -> Iterator[str]:
    """Yield those paths that belong to an object around all of some other paths."""
    for place, path in _found(envelope, names):
        if all(f"{one}.".startswith(f"{place.around}.") for one in inner if place.around):
            yield path


def beside(envelope: Envelope) -> Iterator[str]:
    """Yield the paths of everything in the objects that may hold the paging."""
    return (f"{place.path}.{name}" if place.path else name for place in envelope.places for name in place.names)


def _found(envelope: Envelope, names: Iterable[str]) -> Iterator[tuple[Place, str]]:
    for place in envelope.places:
        for name in names:
            if name in place.names or name.partition(".")[0] in place.names:
                yield place, f"{place.path}.{name}" if place.path else name


def is_numbered(paginate: Paginate | None, request: Request) -> bool:
    """Whether a request asks for a page by a number: records can move from one page to another while they are read."""
    names = {name.lower() for name, _ in parse_qsl(urlsplit(request.url).query)}
    return (paginate is not None and paginate.type in ("page", "offset")) or not names.isdisjoint(NUMBERS)
