"""The first page of an HTTP API, for a preview: nothing is remembered."""

from collections.abc import Iterator
from contextlib import closing

from advertisex.feeds import Feed
from advertisex.ingestion.api.connection import Connection
from advertisex.ingestion.api.page import Page
from advertisex.ingestion.api.paging.pager import Pager
from advertisex.ingestion.api.progress import Progress, utc_now
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.api.template import RequestTemplate
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.records import Input, Reading
from advertisex.ingestion.sources import Url


def first_page(source: Url, feed: Feed, options: IngestOptions) -> Iterator[Input]:
    """Yield the first page of a first poll, or the members of an archive.

    Raises:
        ConfigurationError: the URL, or an option, is invalid.
        SourceError: the request failed, or it is not clear how to ask for the next page.
    """
    requests, progress = RequestTemplate(source, options.api), Progress("", {}, options.api, utc_now)
    poll = requests.begun(progress.state, utc_now())
    pager = Pager(options.api.paginate, requests.first(poll), records=0)

    def on_end(page: Page, reading: Reading) -> Request | None:
        following = pager.following(page.request, page.response, page.records)
        if pager.detected:
            reading.detected["paging"] = pager.detected
        if following is None and pager.warning:
            reading.warnings[pager.warning] += 1
        return following

    with closing(Connection(options.api, requests.secrets)) as connection:
        response = connection.send(pager.first, retry=True)
    progress.begin(poll)
    yield from Page(pager.first, response, on_end).inputs(source.name, feed, options, progress)
