"""Read JSON and NDJSON. Messages are slices of the input, which are not parsed.

NDJSON is streamed in bounded memory. A document (array, object) is read into memory as a whole to be split.
"""

from collections.abc import Iterator

from advertisex.codecs.json_split import Shape, is_json, split_document
from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import MESSAGE_BYTES, Record
from advertisex.ingestion.stream import BLOCK, BOM, Stream

_DOCUMENT_BYTES = 2**30
_FIRST_LINE_BYTES = 4 * 2**20


def record_shape(feed: Feed, mapping: FieldMapping, records: str | None) -> Shape:
    """Return how to distinguish a record of this feed from an envelope; `records` is the key that the user named."""
    names = {name for field in feed.fields for name in field.names}
    mapped = {column.partition(".")[0] for column in mapping.rename}
    return Shape(own_names=frozenset(names | mapped | {"id"}), records=records)


def read_json(stream: Stream, shape: Shape) -> Iterator[list[Record]]:
    """Yield the records of a JSON document or of NDJSON, whichever it is.

    It is NDJSON if the first line is a complete JSON value and another line follows. An invalid document becomes one
    message, so that nothing is dropped or guessed.

    Raises:
        SourceError: the stream failed, or the document is too large to be held in memory.
    """
    _skip_bom(stream)
    if starts_with_json_line(stream):
        yield from read_lines(stream, shape)
        return
    document, failure = _read_all(stream)
    if document.strip():
        messages = split_document(document, shape, stream.name)
        yield [document.strip()] if messages is None else list(messages)
    if failure is not None:
        raise failure


def read_lines(stream: Stream, shape: Shape) -> Iterator[list[Record]]:
    """Yield each non-blank line as a message without its line end, or its records if the user named their key.

    Raises:
        SourceError: the stream failed; a line exceeds the maximum message size; or, after everything else was yielded,
            a line had no records under the key.
    """
    _skip_bom(stream)
    lines = LineSplitter(shape, stream.name)
    for text in _line_blocks(stream):
        yield lines.messages(text) if text else []
    lines.check()


class LineSplitter:
    """Turns consecutive lines into messages, and counts lines for error messages.

    Args:
        shape: only `records` is used: a line is an envelope only if the user named the key.
        name: name of the file.
    """

    def __init__(self, shape: Shape, name: str) -> None:
        self._shape, self._name = shape, name
        self._number = 0
        self._failure: SourceError | None = None

    def messages(self, text: bytes) -> list[Record]:
        """Return the messages of the next complete lines; skip lines without records, whose error `check` raises."""
        if self._shape.records is None:
            return _nonblank_lines(text)
        messages: list[Record] = []
        for number, line in enumerate(text.split(b"\n"), start=self._number + 1):
            if not line or line.isspace():
                continue
            try:
                records = split_document(line, self._shape, f"{self._name}:{number}")
            except SourceError as error:
                self._failure = self._failure or error
            else:
                messages += [line.removesuffix(b"\r")] if records is None else records
        self._number += text.count(b"\n")
        return messages

    def check(self) -> None:
        """Raise the error of the first line without records, once."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def _line_blocks(stream: Stream) -> Iterator[bytes]:
    """Yield blocks of complete lines (the last may be incomplete), and b"" whenever no input is available yet."""
    partial_line: list[bytes] = []
    size = 0
    failure: SourceError | None = None
    while True:
        if stream.idle():
            yield b""
        try:
            block = stream.read1(BLOCK)
        except SourceError as error:
            failure, block = error, b""
        if not block:
            break
        head, newline, tail = block.rpartition(b"\n")
        partial_line.append(head + newline if newline else tail)
        size += len(block)
        if newline:
            yield b"".join(partial_line)
            partial_line, size = [tail], len(tail)
        elif size > MESSAGE_BYTES:
            raise SourceError(
                f"a line is longer than {MESSAGE_BYTES >> 20} MiB",
                where=stream.name,
                hint="if this is not NDJSON, set the format with --format",
            )
    yield b"".join(partial_line)
    if failure is not None:
        raise failure


def _nonblank_lines(text: bytes) -> list[Record]:
    """Return the non-blank lines of a text, without line ends."""
    lines = text.split(b"\n")
    if b"\r" in text:
        lines = [line.removesuffix(b"\r") for line in lines]
    return [line for line in lines if line and not line.isspace()]


def _skip_bom(stream: Stream) -> None:
    if stream.peek(len(BOM)).startswith(BOM):
        stream.read(len(BOM))


def starts_with_json_line(stream: Stream) -> bool:
    """Whether the first line is a complete JSON value and something follows it."""
    seen = -1
    while True:
        head = stream.peek(seen + 1)
        line, newline, tail = head.lstrip().partition(b"\n")
        if newline and tail.strip():
            return is_json(line)
        if len(head) <= seen or len(head) > _FIRST_LINE_BYTES:
            return False
        seen = len(head)


def _read_all(stream: Stream) -> tuple[bytes, SourceError | None]:
    """Read a stream to its end. Return the bytes, and the error that ended it early, if any."""
    parts: list[bytes] = []
    size = 0
    while size <= _DOCUMENT_BYTES:
        try:
            part = stream.read1(BLOCK)
        except SourceError as error:
            return b"".join(parts), error
        if not part:
            return b"".join(parts), None
        parts.append(part)
        size += len(part)
    raise SourceError(
        f"the JSON document is larger than {_DOCUMENT_BYTES >> 30} GiB, too large to be split",
        where=stream.name,
        hint="convert it to NDJSON, for example with: jq -c '.[]'",
    )
