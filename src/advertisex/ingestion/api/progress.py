"""Keep how far an HTTP API has been read, together with its messages in the log."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from advertisex.ingestion.api.cursor_field import cursor_of, is_before, is_beyond, is_earlier, latest_of
from advertisex.ingestion.api.cursor_value import CursorValue, value_of
from advertisex.ingestion.api.seen import RECORDS, Seen
from advertisex.ingestion.api.state import (
    ApiState,
    EarlierResponse,
    OpenPoll,
    dump,
    load,
    secrets_key,
    seen_prefix,
    shown_time,
    state_key,
)
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.records import Bookmark, Chunk, Reader, Record

#: A number that grows by this factor in one poll is reported.
_JUMP = 100
#: Returns the time, in UTC.
Now = Callable[[], datetime]


class Progress(Bookmark):
    """The state of an API while it is polled.

    A page that has new records is written with its last ones: from then on, the poll resumes at the next page. A page
    without new records is written only if the poll fails after it: after a crash it is read again, and its records are
    seen.

    Args:
        prefix: prefix of the keys of the state.
        stored: the state of the log under the prefix.
        api: how the API is asked.
        now: the clock.
        records: maximum number of seen records to remember.

    Attributes:
        state: the state.
        sealed: the digest of the secrets; None if nothing was read yet.
    """

    def __init__(
        self, prefix: str, stored: Mapping[str, bytes], api: ApiOptions, now: Now, *, records: int = RECORDS
    ) -> None:
        self._key, self._field, self._lookback, self._now = state_key(prefix), api.cursor, api.lookback, now
        self._since = value_of(api.since or "") if api.cursor else None
        self._secrets_key = secrets_key(prefix)
        self.sealed = stored.get(self._secrets_key)
        found = load(stored, prefix)
        self._written = dump(found)
        is_same = found.field == (api.cursor or "")
        self.state = found if is_same else ApiState(api.cursor or "", backfill_since=found.backfill_since)
        buckets = {key: value for key, value in stored.items() if key.startswith(seen_prefix(prefix))}
        unfinished = self.state.poll.unfinished if self.state.poll else ()
        self._seen = Seen(seen_prefix(prefix), buckets, unfinished, ordered=is_same, records=records)
        self._pending: dict[str, bytes | None] = {}
        self._is_complete = self._is_interrupted = False
        self._maximum: CursorValue | None = None
        self._reader: Reader | None = None

    @property
    def poll(self) -> OpenPoll:
        """The poll that is not complete."""
        assert self.state.poll is not None
        return self.state.poll

    def position(self, *, is_unchanged: bool) -> str:
        """Return how far the API has been read, in words; `is_unchanged`: whether the last poll found nothing new."""
        state, found = self.state, []
        if state.cursor:
            found.append(f"{state.field} {state.cursor}")
        if state.poll and state.poll.pages:
            found.append(f"page {state.poll.pages + 1} of a poll")
        if state.earlier and is_unchanged:
            found.append(f"unchanged since {shown_time(state.earlier.at)}")
        return ", ".join(found)

    def begin(self, poll: OpenPoll) -> None:
        """Begin a poll. Records of a page that was not read to its end are seen."""
        self._seen.end_response()
        self._is_complete = self._is_interrupted = False
        self.state = replace(self.state, poll=poll)

    def seal(self, sealed: bytes) -> bool:
        """Keep the digest of the secrets, with the next change. Return whether they have changed."""
        if sealed == self.sealed:
            return False
        is_new, self.sealed = self.sealed is None, sealed
        self._pending[self._secrets_key] = sealed
        return not is_new

    def forget_requests(self) -> None:
        """Forget the requests of other secrets: the poll that is not complete, and what was unchanged."""
        self.state = replace(self.state, earlier=None, poll=None)

    def resume_failed(self) -> dict[str, bytes | None]:
        """Note that the poll could not be resumed. Return what is to be stored."""
        self.state = replace(self.state, poll=replace(self.poll, failed=self.poll.failed + 1))
        self._written = dump(self.state)
        return {self._key: self._written}

    def begin_page(self) -> None:
        """Begin to read the page, or read it again after a failure."""
        self._seen.begin_response()
        self._maximum = value_of(self.poll.maximum)

    def begin_input(self, reader: Reader) -> None:
        """Begin to read an input of the page; what is found is added to its reading."""
        self._reader = reader

    def advance(self, chunk: Chunk, messages: list[bytes]) -> tuple[list[bytes], Sequence[int]]:
        newest = self._newest(chunk.records) if self._field else None
        new = self._seen.unseen(messages, newest)
        if len(new) == len(messages):
            return messages, chunk.lines
        self._note_skipped(len(messages) - len(new))
        return [messages[index] for index in new], [chunk.lines[index] for index in new] if chunk.lines else ()

    def next_page(self, poll: OpenPoll) -> None:
        """Note that the page was read to its end, and that another one follows.

        Args:
            poll: the poll with the request for that page.
        """
        self._seen.end_response()
        self.state = replace(self.state, poll=replace(poll, maximum=_text(self._maximum)))

    def complete(self, earlier: EarlierResponse | None, *, repeated: bool = False, missing: int = 0) -> None:
        """Note that the last page was read to its end.

        Args:
            earlier: its response, if it is the only one.
            repeated: whether records may have moved from one page to another while they were read. Then the cursor
                moves only to where the poll before ended, and the next poll finds what this one has missed: polls with
                the maxima 10, 20 and 30 leave the cursor unset, at 10, and at 20.
            missing: so many records fewer than the server's total came.
        """
        self._seen.end_response()
        known, maximum = value_of(self.state.cursor), self._maximum
        delayed = None
        if repeated and maximum and self.poll.records < self._seen.limit // 2:  # else, they would be appended again
            maximum, delayed = value_of(self.state.next_cursor), maximum
        if maximum is None or (known and (is_before(maximum, known) or maximum.kind != known.kind)):
            maximum = known
        compacted, forgotten = self._seen.end_poll(maximum.minus(self._lookback) if maximum else None)
        self._pending |= compacted
        if forgotten:
            limit = self._seen.limit
            self._warn(f"record beyond the {limit:,} that are remembered, which may be appended again", forgotten)
        self._warn_of_jump(known, maximum)
        self.state = ApiState(
            self._field or "",
            _text(maximum),
            _text(delayed),
            earlier=earlier,
            missing=max(missing, self.state.missing),
            started=_text(self._started()),
        )
        self._is_complete = True

    @property
    def ignored_since(self) -> str:
        """The warning that `since` is earlier than where the first poll started, so that it has no effect; or empty."""
        started = self._started()
        if not self.state.cursor or not self._since or not started or not is_earlier(self._since, started):
            return ""
        return (
            f"since {self._since.text} is before {started.text}, where the first poll started, and has no effect; "
            f"to read from there, use `advertisex sources backfill` with --since {self._since.text}"
        )

    def _started(self) -> CursorValue | None:
        """Return where polls started: the first one, or an earlier backfill."""
        started, backfill = value_of(self.state.started) or self._since, value_of(self.state.backfill_since)
        return backfill if backfill and started and is_earlier(backfill, started) else started

    def _warn_of_jump(self, known: CursorValue | None, maximum: CursorValue | None) -> None:
        if known is None or maximum is None or maximum.kind != "number" or not 0 < known.nanos * _JUMP < maximum.nanos:
            return
        self._warn(
            f"the cursor moved far, from {known.text} to {maximum.text}; if a record is wrong, use "
            f"`advertisex sources backfill` with --since {known.text}"
        )

    def unchanged(self) -> None:
        """Note that the API has what it had at the last poll."""
        self.state = replace(self.state, backfill_since="", poll=None)
        self._is_complete = True

    def interrupted(self) -> None:
        """Note that the poll ends before its last page. The next one resumes there, also in another process."""
        self._is_interrupted = True

    def changes(self) -> Mapping[str, bytes | None]:
        changed = self._pending | self._seen.changes()
        self._pending = {}
        has_begun_again = self.state.poll is not None and self.state.poll.rejected >= 0
        if not (changed or self._is_complete or self._is_interrupted or has_begun_again):
            return {}
        if self.state.poll:
            poll = replace(self.state.poll, unfinished=tuple(self._seen.unfinished))
            self.state = replace(self.state, poll=poll)
        if (value := dump(self.state)) != self._written:
            changed[self._key] = self._written = value
        return changed

    def _newest(self, records: Sequence[Record]) -> CursorValue | None:
        """Return the largest cursor of records; the maximum of the poll moves there."""
        newest, known, is_time = None, value_of(self.state.cursor), self._lookback > timedelta(0)
        latest = latest_of(self._now(), filter(None, (known, self._since)))
        for record in records:
            value, expected = cursor_of(record, self._field or "", is_time=is_time), newest or self._maximum or known
            if value is None:
                self._warn(f"record without a usable {self._field}, the cursor")
            elif expected is not None and value.kind != expected.kind:
                self._warn(f"{self._field} is a {value.kind}, unlike other values; the cursor does not move there")
            elif is_beyond(value, latest, is_time=is_time):
                self._warn(f"{self._field} is more than a day in the future; the cursor does not move there")
            elif newest is None or newest < value:
                newest = value
        if newest and (self._maximum is None or self._maximum < newest):
            self._maximum = newest
        return newest

    def _note_skipped(self, count: int) -> None:
        if self._reader is not None:
            self._reader.reading.skipped["seen"] += count

    def _warn(self, text: str, count: int = 1) -> None:
        if self._reader is not None:
            self._reader.reading.warnings[text] += count


def _text(value: CursorValue | None) -> str:
    return value.text if value else ""


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)
