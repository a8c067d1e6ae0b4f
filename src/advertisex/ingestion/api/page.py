"""Read a page of an API, and find out what follows it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from advertisex.feeds import Feed
from advertisex.ingestion.api.body import read_body
from advertisex.ingestion.api.progress import Progress
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import Nothing
from advertisex.ingestion.records import Chunk, Input, Reader, Reading


@dataclass(slots=True, eq=False)
class Page:
    """A page of an API.

    Attributes:
        request: its request.
        response: its response.
        on_end: called with the page and its last reading when it was read to its end, before its last records are
            appended; returns the request of the next page.
        records: number of its records so far, bad ones included.
        format: format of its records.
        ended: whether it was read to its end.
        following: the request of the next page; None after the last one.
    """

    request: Request = field(repr=False)
    response: Response = field(repr=False)
    on_end: Callable[["Page", Reading], Request | None]
    records: int = 0
    format: str = ""
    ended: bool = False
    following: Request | None = field(default=None, repr=False)

    def inputs(self, name: str, feed: Feed, options: IngestOptions, progress: Progress) -> Iterator[Input]:
        """Yield the page, or the members of an archive. Each is read before the next is requested.

        Args:
            name: name of the source.
            feed: feed of its records.
            options: how to read them.
            progress: keeps how far the API has been read.
        """
        progress.begin_page()
        where, complete = self.request.where, True
        for one in read_body(self.response, where, feed, options):
            is_whole = one.name == where  # not a member of an archive
            reader = _PageReader(self, one.reader, progress, is_last=is_whole)
            yield Input(name if is_whole else one.name, reader, progress)
            complete = complete and reader.ended
        if complete and not self.ended:
            yield Input(name, _PageReader(self, Nothing("zip"), progress, is_last=True), progress)


class _PageReader(Reader):
    """Reads an input of a page, and ends the page after its last one."""

    def __init__(self, page: Page, reader: Reader, progress: Progress, *, is_last: bool) -> None:
        self._page, self._reader, self._progress, self._is_last = page, reader, progress, is_last
        self.ended = False

    @property
    def reading(self) -> Reading:  # type: ignore[override] # of the reader, which replaces it
        return self._reader.reading

    def chunks(self) -> Iterator[Chunk]:
        page = self._page
        self._progress.begin_input(self)
        for chunk in self._reader.chunks():
            page.records += len(chunk.records)
            yield chunk
        page.format = self.reading.format
        if self._is_last:
            page.following = page.on_end(page, self.reading)
            page.ended = True
        self.ended = True
