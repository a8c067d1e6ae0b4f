"""JSON and NDJSON: bytes in, the slices that are messages out, none of them parsed.

NDJSON streams in bounded memory. A document (array, object) has to be held whole to be split.
"""

from collections.abc import Iterator

from advertisex.errors import SourceError
from advertisex.ingestion.json_shape import Shape, is_json, split_document
from advertisex.ingestion.records import MESSAGE_BYTES, PAUSE, Chunk
from advertisex.ingestion.stream import BLOCK, BOM, Stream

_DOCUMENT_BYTES = 2**30
_FIRST_LINE_BYTES = 4 * 2**20


def read_json(stream: Stream, shape: Shape) -> Iterator[Chunk]:
    """The records of a stream that holds a document or NDJSON, whichever it turns out to be.

    It is NDJSON when its first line is a JSON value by itself and another line follows. A document that does not
    parse is one message as a whole, so that nothing of it is dropped and none of it is guessed.

    Raises:
        SourceError: the stream fails, or the document is too large to be held.
    """
    _skip_bom(stream)
    if begins_with_a_line(stream):
        yield from read_lines(stream, shape)
        return
    document, failure = _whole(stream)
    if document.strip():
        messages = split_document(document, shape, stream.name)
        yield [document.strip()] if messages is None else list(messages)
    if failure is not None:
        raise failure


def read_lines(stream: Stream, shape: Shape) -> Iterator[Chunk]:
    """Each line that is not blank as a message, without its line end; its records, where the user named their key.

    Raises:
        SourceError: the stream fails; a line is larger than a message may be; or, once everything else has been
            yielded, a line held no records.
    """
    _skip_bom(stream)
    lines = Lines(shape, stream.name)
    for text in _whole_lines(stream):
        yield lines.messages(text) if text else PAUSE
    lines.check()


class Lines:
    """Makes messages of lines, in order, knowing where it is in the file.

    Args:
        shape: only its `records` counts: a line is taken for an envelope where the user says so.
        name: of the file.
    """

    def __init__(self, shape: Shape, name: str) -> None:
        self._shape, self._name = shape, name
        self._number = 0
        self._failure: SourceError | None = None

    def messages(self, text: bytes) -> Chunk:
        """Of the next whole lines. One that lacks the named key is kept for `check`, so that it costs no other."""
        if self._shape.records is None:
            return _without_blanks(text)
        messages: Chunk = []
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
        """Raise what was wrong with the first line that held no records, once."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def _whole_lines(stream: Stream) -> Iterator[bytes]:
    """The text of a stream in pieces that end with a line's end, but for the last; empty where nothing has come yet."""
    open_line: list[bytes] = []
    weight = 0
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
        head, newline, rest = block.rpartition(b"\n")
        open_line.append(head + newline if newline else rest)
        weight += len(block)
        if newline:
            yield b"".join(open_line)
            open_line, weight = [rest], len(rest)
        elif weight > MESSAGE_BYTES:
            raise SourceError(
                f"a line is longer than {MESSAGE_BYTES >> 20} MiB",
                where=stream.name,
                hint="if this is no NDJSON, name its format with --format",
            )
    yield b"".join(open_line)
    if failure is not None:
        raise failure


def _without_blanks(text: bytes) -> Chunk:
    """The lines of a text that are not blank, without their ends."""
    lines = text.split(b"\n")
    if b"\r" in text:
        lines = [line.removesuffix(b"\r") for line in lines]
    return [line for line in lines if line and not line.isspace()]


def _skip_bom(stream: Stream) -> None:
    if stream.peek(len(BOM)).startswith(BOM):
        stream.read(len(BOM))


def begins_with_a_line(stream: Stream) -> bool:
    """Whether the first line is JSON by itself and something follows it."""
    seen = -1
    while True:
        head = stream.peek(seen + 1)
        line, newline, rest = head.lstrip().partition(b"\n")
        if newline and rest.strip():
            return is_json(line)
        if len(head) <= seen or len(head) > _FIRST_LINE_BYTES:
            return False
        seen = len(head)


def _whole(stream: Stream) -> tuple[bytes, SourceError | None]:
    """All of a stream, and the failure that ended it early, if one did."""
    parts: list[bytes] = []
    weight = 0
    while weight <= _DOCUMENT_BYTES:
        try:
            part = stream.read1(BLOCK)
        except SourceError as error:
            return b"".join(parts), error
        if not part:
            return b"".join(parts), None
        parts.append(part)
        weight += len(part)
    raise SourceError(
        f"a JSON document of more than {_DOCUMENT_BYTES >> 30} GiB is too large to be split",
        where=stream.name,
        hint="make it NDJSON first, for instance with: jq -c '.[]'",
    )
