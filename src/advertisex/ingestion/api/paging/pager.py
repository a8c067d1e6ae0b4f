"""Find the request for the next page."""

from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.paginate import Paginate


class Pager:
    """Finds the next page of one poll. It reads the position from the requests, so a poll can resume at any page.

    Args:
        paginate: how the API is paged, checked; None to recognise it in the answers.
        first: the request as configured.
        records: records of the earlier pages of a poll that is resumed.

    Attributes:
        first: the request for the first page, with the number, offset or limit where these are sent.
        paginate: how the API is paged: the choice or what was recognised; None if nothing was. A poll that is resumed
            later should be given what was recognised.
        detected: what was recognised, to show: `cursor next_cursor, sent as cursor`; empty for a choice of the user.
        records: number of records of all pages so far, those of the Args included.
        pages: number of pages seen.
        warning: what to report after the last page, such as a total of the server above what came; else empty.

    Raises:
        ConfigurationError: the request does not fit to the choice, such as `body_param` without a JSON body.
    """

    def __init__(self, paginate: Paginate | None, first: Request, *, records: int = 0) -> None:
        self.paginate = paginate
        self.first = first
        self.detected = ""
        self.records = records
        self.pages = 0
        self.warning = ""

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
        raise NotImplementedError
