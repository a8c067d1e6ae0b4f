"""Poll an HTTP API: ask it for what is new, page by page."""

import dataclasses
from collections.abc import Iterator
from itertools import count

from msgspec.structs import replace

from advertisex.errors import ErrorReported, RequestRejected, SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.api.connection import Connection
from advertisex.ingestion.api.page import Page
from advertisex.ingestion.api.paging.pager import Pager
from advertisex.ingestion.api.paging.usual import is_numbered
from advertisex.ingestion.api.progress import Now, Progress, utc_now
from advertisex.ingestion.api.rate_limit import PutOff
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.api.state import EarlierResponse, OpenPoll, api_id, shown_time
from advertisex.ingestion.api.template import RequestTemplate
from advertisex.ingestion.api.unchanged import (
    NOT_MODIFIED,
    Unchanged,
    can_grow,
    earlier_of,
    is_unchanged,
)
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import Nothing
from advertisex.ingestion.records import Input, Reading
from advertisex.ingestion.source_status import Kind, lock_source, state_prefix
from advertisex.ingestion.sources import Url
from advertisex.logs.contract import EventLog
from advertisex.times import micros_of

_OTHER_SECRETS = (
    "the secrets have changed; it is assumed that they give the same records as before. If they are those of another "
    "account, give the source a name of its own in the settings, or use `advertisex sources reset`"
)
#: After so many failures to resume at a page, the poll begins again.
_RESUMES = 3


class ApiSource:
    """An HTTP API that is read incrementally. Only one process reads it; what was read is in the log.

    Args:
        source: the API.
        feed: feed of its records.
        options: how it is asked, and how its responses are read. Without `follow`, a request that fails is repeated;
            with it, the next poll continues.
        log: the log that keeps the state of the source.
        now: the clock.

    Attributes:
        id: identifies the source in the log's state.
        kind: what it is.
        name: its URL without its secrets.
        prefix: prefix of the keys of its state.
        pages: number of pages that were read to their end.
        wait: seconds until a poll that ended early for the rate limit goes on; 0 if it did not.

    Raises:
        ConfigurationError: a placeholder is invalid, or the cursor is not used in the request.
    """

    kind: Kind = "api"

    def __init__(self, source: Url, feed: Feed, options: IngestOptions, log: EventLog, *, now: Now = utc_now) -> None:
        self._feed, self._options, self._log, self._now = feed, options, log, now
        self.name = source.name
        self.id = api_id(feed, source, options)
        self.prefix = state_prefix("api", self.id)
        self.pages = 0
        self._template = RequestTemplate(source, options.api)
        self._connection = Connection(options.api, self._template.secrets)
        self._progress: Progress | None = None
        self._pager: Pager
        self._resumed = ""
        self._warnings: list[str] = []
        self.wait = 0.0
        self._put_off: tuple[int, Request] | None = None  # its number in the poll, and the request
        self._is_unchanged = False

    @property
    def position(self) -> str:
        """How far the API has been read, in words."""
        return self._progress.position(is_unchanged=self._is_unchanged) if self._progress else ""

    def poll(self) -> Iterator[Input]:
        """Yield each page, or the members of an archive, as an input; each is read before the next is requested.

        With `follow`, it ends early if the rate limit asks for a wait; the next call goes on.

        A poll that failed, or was interrupted, resumes at the page that was not read to its end.

        Raises:
            ConfigurationError: the URL, or an option, is invalid.
            SourceError: a request failed, the API is read by another process, or a poll has too many pages.
        """
        progress, put_off, self.wait = self._locked(), self._put_off, 0.0
        self._put_off = None
        try:
            if put_off is None:
                yield from self._begin(progress)
            else:
                yield from self._pages(progress, *put_off, self._send(put_off[1]))
        except PutOff as error:
            self.wait = error.seconds
            self._put_off = self._put_off or put_off
        except SourceError as error:
            error.what, error.where = self._connection.shown(error.what), self._connection.shown(error.where)
            raise

    def _begin(self, progress: Progress) -> Iterator[Input]:
        """Begin a poll, or resume one."""
        request, response = self._first_page(progress)
        known = self._known(progress, request)
        self._is_unchanged = known is not None and is_unchanged(response, known, self._pager.paginate)
        if known and self._is_unchanged:
            progress.unchanged()
            reader = Unchanged(known)
            self._warn(reader.reading)
            yield Input(self.name, reader, progress)
        else:
            yield from self._pages(progress, 1, request, response)

    def _pages(self, progress: Progress, number: int, request: Request, response: Response) -> Iterator[Input]:
        """Yield a page of the poll, and all that follow. Where they end early, the next poll resumes."""
        try:
            yield from self._further(progress, number, request, response)
        except SourceError:
            progress.interrupted()
            yield Input(self.name, Nothing(), progress)  # writes how far the poll came
            raise

    def _further(self, progress: Progress, number: int, request: Request, response: Response) -> Iterator[Input]:
        for at in count(number):
            page = Page(request, response, self._end)
            yield from page.inputs(self.name, self._feed, self._options, progress)
            if not page.ended or page.following is None:
                return
            if at == self._options.api.max_pages:
                raise SourceError(
                    f"the poll has reached its limit of {at:,} page{'s' if at > 1 else ''}, and there are more",
                    where=self.name,
                    hint="the next poll continues there; if the source has so many, raise max_pages",
                )
            request = page.following
            try:
                response = self._send(request)
            except PutOff:
                self._put_off = (at + 1, request)
                raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _locked(self) -> Progress:
        """Return what was read before, once the source is locked for this process.

        Raises:
            SourceError: it is locked by another process.
        """
        if self._progress is None:
            lock_source(self._log, self.prefix, self.name, follow=self._options.follow)
            stored = self._log.state(self.prefix)
            self._progress = Progress(self.prefix, stored, self._options.api, self._now)
            sealed = self._template.secrets.sealed(self._progress.sealed)
            if self._progress.seal(sealed) and not self._options.name:
                self._progress.forget_requests()  # they may be those of another account
                self._warnings.append(_OTHER_SECRETS)
            if ignored := self._progress.ignored_since:
                self._warnings.append(ignored)
        return self._progress

    def _first_page(self, progress: Progress) -> tuple[Request, Response]:
        """Return the request and the response of the page with which the poll begins or resumes."""
        poll = progress.state.poll
        if poll is not None and (poll.options != self._template.options or (poll.pages and not poll.url)):
            poll = None
        self._resumed = ""
        rejected = -1
        if poll is not None and poll.url:
            try:
                return self._resume(poll)
            except SourceError as error:
                self._check_begins_again(progress, error)
                self._warnings.append(f"the poll began again: {error.what}")
                rejected, poll = poll.pages, None
        begun = poll or replace(self._template.begun(progress.state, self._now()), rejected=rejected)
        self._pager = self._pager_of(begun)
        request = self._pager.first
        if rejected >= 0:
            progress.begin(begun)
            poll = begun
        known = None if begun.unfinished else self._known(progress, request)
        headers = {**request.headers, **(known.conditions if known else {})}
        response = self._send(dataclasses.replace(request, headers=headers))
        if known and response.status == NOT_MODIFIED and not is_unchanged(response, known, self._pager.paginate):
            response = self._send(request)  # there are more pages now
        if poll is None:
            progress.begin(begun)
        if response.status == NOT_MODIFIED and known is None:
            raise SourceError("the server returned status 304, which was not asked for", where=self.name)
        return request, response

    def _check_begins_again(self, progress: Progress, error: SourceError) -> None:
        """Raise the failure of a request that is to be resumed again; a cursor that has expired begins the poll again.

        So does the third failure, of any kind, so that no page blocks a source for ever.
        """
        poll = progress.poll
        has_expired = isinstance(error, RequestRejected | ErrorReported) and poll.pages != poll.rejected
        if not has_expired and poll.failed + 1 < _RESUMES:
            changed = progress.resume_failed()
            if self._log is not None:
                self._log.append(self._feed.topic, (), state=changed)
            raise error

    def _resume(self, poll: OpenPoll) -> tuple[Request, Response]:
        """Return the request and the response of the page that was not read to its end."""
        self._pager = self._pager_of(poll)
        request = self._template.resumed(poll, self._pager.first)
        response = self._send(request)
        self._resumed = f"at page {poll.pages + 1} of the poll of {shown_time(poll.until)}"
        return request, response

    def _pager_of(self, poll: OpenPoll) -> Pager:
        chosen = poll.paginate or self._options.api.paginate
        missing = self._progress.state.missing if self._progress else 0
        return Pager(chosen, self._template.first(poll), records=poll.records, missing=missing)

    def _send(self, request: Request) -> Response:
        return self._connection.send(request, retry=not self._options.follow)

    def _known(self, progress: Progress, request: Request) -> EarlierResponse | None:
        """Return the earlier response to a request, if it was all that the API had."""
        known = progress.state.earlier
        return known if known and known.request == self._template.digest(request) else None

    def _end(self, page: Page, reading: Reading) -> Request | None:
        """Note that a page was read to its end. Return the request of the next one."""
        assert self._progress is not None
        progress, pager, poll = self._progress, self._pager, self._progress.poll
        following = pager.following(page.request, page.response, page.records)
        self.pages += 1
        self._note(reading, pager, is_last=following is None)
        if following is None:
            progress.complete(
                self._earlier(page, progress) if not poll.pages else None,
                repeated=poll.is_numbered and poll.pages > 0,
                missing=pager.missing,
            )
            return None
        numbered = poll.is_numbered or is_numbered(pager.paginate, following)
        after = replace(
            poll, pages=poll.pages + 1, failed=0, records=pager.records, paginate=pager.paginate, is_numbered=numbered
        )
        stored = self._template.stored(after, following)
        if self._connection.shown(stored.url) != stored.url:  # a secret in a link of the server: the poll cannot resume
            stored = replace(stored, url="")
        progress.next_page(stored)
        return following

    def _note(self, reading: Reading, pager: Pager, *, is_last: bool) -> None:
        if pager.detected:
            reading.detected["paging"] = pager.detected
        self._warn(reading)
        if self._resumed:
            reading.detected["resumed"] = self._resumed
        if is_last and pager.warning:
            reading.warnings[pager.warning] += 1
        if is_last and self._resumed and not self._options.follow:
            reading.warnings["an interrupted poll is complete now; to get what is newer, ingest it again"] += 1

    def _warn(self, reading: Reading) -> None:
        reading.warnings.update(self._warnings)
        self._warnings.clear()

    def _earlier(self, page: Page, progress: Progress) -> EarlierResponse | None:
        """Return what is kept of a response that is all that the API had; None if it may be the first of more."""
        if can_grow(self._pager.paginate):
            return None
        now, request = micros_of(self._now()), self._template.digest(page.request)
        found = earlier_of(page.response, self._pager.paginate, request, page.format, page.records, now)
        known = self._known(progress, page.request)
        return replace(found, at=known.at) if known and known.digest == found.digest else found
