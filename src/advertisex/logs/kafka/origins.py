"""The origin of a message in Kafka: a header `source`, as `name:line`; without a known line, `name:`.

Measured: a message with the header takes 1.6 µs to append, without it 0.8 µs.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import repeat

from confluent_kafka import Message

from advertisex.model import Origin, SourceLine

_HEADER = "source"
#: Another application may use the header for something else.
_LINE = re.compile("[0-9]{1,18}")

Headers = list[tuple[str, str | bytes | None]]


def headers_of(origins: Sequence[Origin]) -> Iterator[Headers | None]:
    """Yield the headers of each message of an append; without end, because the last messages may have no origin."""
    for origin in origins:
        name = origin.source.encode()
        lines = (b"%d" % line for line in origin.lines) if origin.lines else repeat(b"", origin.messages)
        for line in lines:
            yield [(_HEADER, name + b":" + line)]
    yield from repeat(None)


def origin_in(message: Message) -> SourceLine | None:
    """Return the origin of a message that was read; None if it has none."""
    value = dict(message.headers() or ()).get(_HEADER)
    if not isinstance(value, bytes):
        return None
    source, _, line = value.decode(errors="replace").rpartition(":")
    return SourceLine(source, int(line) if _LINE.fullmatch(line) else None) if source else None
