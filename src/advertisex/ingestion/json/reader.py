"""The reader of JSON and NDJSON."""

from collections.abc import Iterator

from advertisex.feeds import Feed
from advertisex.ingestion.encodings import as_utf8, checked_encoding, text_encoding
from advertisex.ingestion.json.collected import Collected
from advertisex.ingestion.json.envelope import Envelopes
from advertisex.ingestion.json.inherit import INHERITED_BYTES, Inheritance, Inherited, inheriting
from advertisex.ingestion.json.long_lines import Held, LineSkipper, held_line
from advertisex.ingestion.json.opened import NoRecords, Opened, RepeatedName
from advertisex.ingestion.json.sequence import Piece, Splitter
from advertisex.ingestion.json.streamed_envelope import Skipper, Start, closed, envelope_start, skip_value
from advertisex.ingestion.json.text import Text
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.records import KEPT_BYTES, MESSAGE_BYTES, PAUSE, Chunk, Reader, Reading, Resume
from advertisex.ingestion.stream import Stream

#: Warnings and skipped rows, as they are reported.
LONE_SURROGATE = "lone surrogate, replaced by U+FFFD"
EMPTY_ENVELOPE = "empty envelope"
NO_RECORDS = "without records under the path"

#: An incomplete value of this size is examined: the records of an envelope need not wait for its end.
_ENVELOPE_BYTES = 2 * 2**20


class JsonReader(Reader):
    """Reads the objects of a JSON or NDJSON input; both are read alike (see `sequence` and `envelope`).

    Messages are slices of the text. A fragment becomes a message in the frame of unreadable input.

    Args:
        stream: the input, from the position to resume at.
        feed: feed of the records.
        options: `records`, `inherit` and the encoding, and the mapped columns by which envelopes are recognised.
        resume: where an earlier reader stopped.
        final: whether the input is complete, so that an incomplete value at its end is a fragment.
    """

    def __init__(
        self, stream: Stream, feed: Feed, options: IngestOptions, resume: Resume | None = None, final: bool = True
    ) -> None:
        self.reading = Reading()
        self._stream, self._records_path, self._final = stream, options.records, final
        self._resume = resume or Resume(0)
        self._can_resume = True
        self._by_line = options.format == "ndjson"
        self._encoding = options.dialect.encoding
        self._envelopes = Envelopes(feed, options)
        self._inheritance = Inheritance(feed, options.inherit)
        self._collected = Collected(self.reading, stream.name)

    def chunks(self) -> Iterator[Chunk]:
        """Yield the messages.

        Raises:
            SourceError: after everything else was yielded: the stream failed; an object had no records under the path
                that the user gave, or several lists of records; or an array or an envelope was not closed.
        """
        text = Text(self._utf8(), self._resume.position)
        splitter = Splitter(self._resume.lines + 1)
        yield from self._split_all(text, splitter, None)
        self._report(splitter)
        if self._final and splitter.depth:
            self._collected.fail("an array is not closed", splitter.line, "the input may be truncated: get it again")
        if text.failure is not None:
            raise text.failure
        self._collected.raise_failure()

    def _utf8(self) -> Stream:
        """Return the stream as UTF-8. A byte order mark, or UTF-16 that is evident, wins over the given encoding."""
        given = self._encoding if self._encoding and checked_encoding(self._encoding) != "utf-8" else None
        encoding = "utf-8" if self._resume.position else text_encoding(self._stream, given)
        if encoding == "utf-8":
            return self._stream
        self._can_resume = False
        self.reading.detected["encoding"] = encoding
        return as_utf8(self._stream, encoding, json=True)

    def _split_all(self, text: Text, splitter: Splitter, inherited: list[Inherited] | None) -> Iterator[Chunk]:
        """Yield the messages up to the end of the text, or of the list in which the splitter is.

        Args:
            text: the text.
            splitter: splits it.
            inherited: what the records inherit from the envelope that the splitter is in; None if it is in none.
        """
        while True:
            held = self._held(text, splitter, is_outer=inherited is None)
            if held.is_long:
                yield from self._skip_long(text, splitter, LineSkipper(), is_outer=True)
                continue
            yield from self._split(text, splitter, inherited, held.start)
            if splitter.ended:
                return
            if len(text.buffer) > _ENVELOPE_BYTES and inherited is None and (start := self._start(text)):
                yield from self._envelope(text, splitter, start)
                continue
            if len(text.buffer) > MESSAGE_BYTES:
                skipper = Skipper(by_line=splitter.by_line)
                yield from self._skip_long(text, splitter, skipper, is_outer=inherited is None)
                continue
            if text.ended:
                return
            if text.idle():
                yield PAUSE
            text.read()

    def _held(self, text: Text, splitter: Splitter, *, is_outer: bool) -> Held:
        if is_outer and not splitter.depth and (self._by_line or splitter.by_line):
            return held_line(text.buffer, MESSAGE_BYTES, ended=text.ended)
        return Held(len(text.buffer), is_long=False)

    def _skip_long(
        self, text: Text, splitter: Splitter, skipper: Skipper | LineSkipper, *, is_outer: bool
    ) -> Iterator[Chunk]:
        """Drop a value that is too large for a message, up to its end or its damage; yield its beginning."""
        beginning, line = text.buffer[:KEPT_BYTES], splitter.line
        size, _ = skip_value(text, splitter, skipper)
        if skipper.done or self._final:
            self._collected.add_long(beginning, size, line)
            yield self._chunk(self._mark(text, splitter) if is_outer else None)

    def _split(self, text: Text, splitter: Splitter, inherited: list[Inherited] | None, end: int) -> Iterator[Chunk]:
        """Yield the messages that are complete in the buffer up to a position, and drop their text."""
        is_outer = inherited is None
        for piece in splitter.pieces(text.buffer[:end], ended=text.ended and self._final):
            yield from self._add(piece, inherited)
            if self._collected.is_full:
                yield self._chunk(self._mark(text, splitter) if is_outer else None)
        mark = self._mark(text, splitter) if is_outer else None
        self.reading.format = self.reading.format or ("json" if splitter.stopped else "")
        text.drop(splitter.stopped)
        if self._collected or (mark and mark.position > self._resume.position):
            yield self._chunk(mark)

    def _mark(self, text: Text, splitter: Splitter) -> Resume | None:
        """Return where to continue after the last value; None inside an array."""
        if splitter.depth or splitter.level is None or not self._can_resume:
            return None
        return Resume(text.position + splitter.level, splitter.level_line - 1)

    def _chunk(self, resume: Resume | None) -> Chunk:
        """Return what was collected as a chunk."""
        self._resume = resume or self._resume
        return self._collected.chunk(resume)

    def _add(self, piece: Piece, inherited: list[Inherited] | None) -> Iterator[Chunk]:
        """Collect the messages of a piece. Yield what was collected whenever it is much, within an envelope."""
        if piece.kind == "fragment":
            (fragment,), (line,) = piece.values, piece.lines
            is_object = fragment.startswith(b"{")
            detail = "an object that is not valid JSON" if is_object else "text that is not in a JSON object"
            self._collected.add_fragment(fragment, line, detail)
        elif piece.kind == "scalars":
            self._collected.add(piece.values, piece.lines)
        elif inherited:
            for copies, lines in inheriting(piece.values, piece.lines, inherited):
                self._collected.add_copies(copies, lines)
                if self._collected.is_full:
                    yield self._chunk(None)
        elif inherited is None and (self._records_path or piece.suspect):
            yield from self._add_opened(piece)
        else:
            self._collected.add(piece.values, piece.lines)

    def _add_opened(self, piece: Piece) -> Iterator[Chunk]:
        """Collect the messages of objects, some of which may be envelopes."""
        values, lines = piece.values, piece.lines
        at = 0
        for i in range(len(values)) if self._records_path else self._envelopes.suspects(values):
            self._collected.add(values[at:i], lines[at:i])
            yield from self._open(values[i], lines[i])
            at = i + 1
        self._collected.add(values[at:], lines[at:])

    def _open(self, value: bytes, line: int) -> Iterator[Chunk]:
        """Collect the records of an envelope, or the object if it is itself a record."""
        try:
            opened = self._envelopes.open(value)
        except NoRecords as error:
            self._collected.skip(NO_RECORDS)
            self._collected.fail(
                f"no records under key {self._records_path!r}",
                line,
                f"pass another key with --records; found: {error.keys}",
            )
            return
        except RepeatedName as error:
            detail = f"an object around records has the key {error.name!r} twice: write it once, and send it again"
            self._collected.add_fragment(value, line, detail)
            return
        if opened is None or (opened.unread and not opened.path):
            for path in opened.unread if opened else ():
                self.reading.warnings[f"list {path} of an object without other records: name it with --records"] += 1
            self._collected.add([value], [line])
            return
        inherited = self._inherited(opened, line)
        self._report_lists(opened, line)
        line += value.count(b"\n", 0, max(0, value.find(opened.records))) if opened.records else 0
        is_empty = True
        for piece in Splitter(line).pieces(opened.records, ended=True):
            is_empty = False
            yield from self._add(piece, inherited)
            if self._collected.is_full:
                yield self._chunk(None)
        if is_empty:
            self._collected.skip(EMPTY_ENVELOPE)

    def _inherited(self, opened: Opened, line: int) -> list[Inherited]:
        """Return what the records of an envelope inherit, and report what they do not."""
        if opened.path:
            self.reading.detected["records"] = opened.path
        inherited, absent, large = self._inheritance.values(opened.around)
        for path in absent:
            self.reading.warnings[f"envelope without {path} to inherit"] += 1
        for path in large:
            what = f"the value under {path} is too large to inherit: more than {INHERITED_BYTES >> 10} KiB"
            self._collected.fail(what, line, "name a smaller value with --inherit")
        return inherited

    def _report_lists(self, opened: Opened, line: int) -> None:
        """Report the lists of an envelope that are not read."""
        for path in opened.unread:
            self.reading.warnings[f"list {path} of an envelope, not read"] += 1
        if opened.others:
            names = ", ".join(opened.others[:10])
            self._collected.fail(
                f"an envelope has records under {opened.path}, which are read, and under {names}",
                line,
                f"name one list with --records, such as --records {opened.others[0]}",
            )

    def _start(self, text: Text) -> Start | None:
        """Return the start of an envelope that need not be held in memory: all that is inherited is known."""
        start = envelope_start(text.buffer, self._envelopes, self._records_path)
        return start if start and not self._inheritance.values(start.envelope.around)[1] else None

    def _envelope(self, text: Text, splitter: Splitter, start: Start) -> Iterator[Chunk]:
        """Yield the messages of an envelope as they arrive, then evaluate what follows them."""
        line, fail = splitter.line, self._collected.fail
        inherited = self._inherited(start.envelope, line)
        splitter.passed(text.buffer[: start.end])
        text.drop(start.end)
        inner = Splitter(splitter.line, inside=True)
        yield from self._split_all(text, inner, inherited)
        self._report(inner)
        splitter.line = inner.line
        skipper, behind = Skipper(start.closing), f"behind the list {start.envelope.path} of an envelope"
        size, tail = skip_value(text, splitter, skipper, keep=MESSAGE_BYTES)
        if not skipper.done:
            if self._final:
                fail("an envelope is not closed", splitter.line, "the input may be truncated: get it again")
        elif size > MESSAGE_BYTES:
            hint = "if there are records in it, name their list with --records"
            fail(f"{size >> 20} MiB {behind} are not read", inner.line, hint)
        elif whole := closed(start, tail, self._envelopes):
            self._report_lists(whole, line)
        else:
            hint = "look for damage, for a key that occurs twice, and for fields of the feed there"
            fail(f"the text {behind} does not belong to an envelope", inner.line, hint)

    def _report(self, splitter: Splitter) -> None:
        """Report what a splitter found."""
        if splitter.by_line:
            self.reading.format = "ndjson"
        if splitter.lone_surrogates:
            self.reading.warnings[LONE_SURROGATE] += splitter.lone_surrogates
