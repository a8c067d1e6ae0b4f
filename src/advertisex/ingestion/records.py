"""What the readers of all formats return.

A record of type `bytes` is already a message: a slice of JSON text, an Avro datum, or an input that could not be read,
in its frame (`codecs.unreadable`). A `dict` is a CSV row (text values) or an Avro record, which still has to be
encoded.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from advertisex.codecs.unreadable import Unreadable, body_of, wrap
from advertisex.limits import Limit

Record = bytes | dict[str, Any]

MESSAGE_BYTES = Limit(
    16 * 2**20,
    "bytes",
    of="a record, a line of CSV, or a message",
    beyond="rejected by itself as `too_long`: its beginning is kept, and the next one is read",
)
KEPT_BYTES = Limit(2**16, "bytes", of="the beginning of a record that is too long", beyond="left out of the reject")


def too_long(beginning: bytes, size: int, where: str = "", *, most: int = MESSAGE_BYTES) -> bytes:
    """Return the message for a record that is larger than a message can be.

    Args:
        beginning: its first bytes, or all of it.
        size: its size in bytes.
        where: where in the input it is, such as `line 7`.
        most: size of the largest message.
    """
    kept = body_of(beginning)[: min(KEPT_BYTES, most // 2)]
    what = f"{where + ': ' if where else ''}{size:,} bytes, larger than a message can be"
    hint = "split it at the source, or name the list of records with --records if it is JSON around one"
    return wrap(Unreadable("too_long", f"{what}; its first {len(kept):,} bytes are kept; hint: {hint}", kept))


@dataclass(frozen=True, slots=True)
class Resume:
    """Where, and with what knowledge, a reader of the same format can continue.

    Attributes:
        position: bytes of the input before it.
        lines: lines of the input before it.
        known: what the reader has found out by then, such as the dialect and the columns; JSON types only.
    """

    position: int
    lines: int = 0
    known: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records that were read together.

    Attributes:
        records: the records, in order.
        lines: the line of the input on which each record starts, from 1; empty if the format has no lines.
        resume: where to continue after these records; None if the format cannot be continued, only read again.
    """

    records: list[Record]
    lines: Sequence[int] = ()
    resume: Resume | None = None


#: An empty chunk: no input is available at the moment, so the publisher flushes its buffer.
PAUSE = Chunk([])


@dataclass(slots=True)
class Reading:
    """What a reader has found in its input so far.

    Attributes:
        format: csv, json, ndjson, avro, …; empty if the input is empty.
        detected: what was detected or assumed, by name, in the order to show: delimiter, quote, encoding, header, …
        columns: column names as in the input, if it has columns.
        rows: rows of the input, or records: messages and skipped ones.
        skipped: rows that are not messages, by what they are: header, blank, preamble, total, …
        warnings: what the user should know, such as a damaged character, with the number of occurrences.
        long_warning: the one of them about records that are larger than a message can be.
    """

    format: str = ""
    detected: dict[str, str] = field(default_factory=dict)
    columns: list[str] | None = None
    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    long_warning: str = ""

    def warn_of_long(self, line: int) -> None:
        """Warn of a record that is larger than a message can be; the warning names the first one."""
        self.long_warning = self.long_warning or (
            f"larger than {MESSAGE_BYTES >> 20} MiB, first on line {line}: rejected; only the beginning is kept"
        )
        self.warnings[self.long_warning] += 1


class Reader(Protocol):
    """Reads one input.

    Attributes:
        reading: what was found so far; complete after the last chunk.
    """

    reading: Reading

    def chunks(self) -> Iterator[Chunk]:
        """Yield the records in order, in chunks of a few thousand or about 1 MiB.

        Raises:
            SourceError: the input could not be read completely; everything before the failure has been yielded.
        """
        ...


class Bookmark(Protocol):
    """Keeps how far an input has been read, together with its messages in the log."""

    def advance(self, chunk: Chunk, messages: list[bytes]) -> tuple[list[bytes], Sequence[int]]:
        """Move past a chunk. Return those of its messages that are not in the log yet, and their lines.

        Args:
            chunk: the next chunk that the reader yielded.
            messages: the message of each of its records.
        """
        ...

    def changes(self) -> Mapping[str, bytes | None]:
        """Return the changes of the log's state since the last call; empty if nothing has changed."""
        ...


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a source: a file, a member of an archive, a response, standard input.

    Attributes:
        name: its name in counts and messages.
        reader: reads its records.
        bookmark: keeps how far it has been read, if it is followed.
    """

    name: str
    reader: Reader
    bookmark: Bookmark | None = None
