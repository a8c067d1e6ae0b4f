"""Values that are too large to be held in memory: the start of an envelope, and the end of a value that is skipped."""

import re
from typing import NamedTuple

from advertisex.ingestion.json.envelope import NAMES, Envelopes
from advertisex.ingestion.json.long_lines import LineSkipper
from advertisex.ingestion.json.opened import NoRecords, Opened, RepeatedName
from advertisex.ingestion.json.sequence import Splitter
from advertisex.ingestion.json.text import Text
from advertisex.limits import Limit

_HEAD_BYTES = Limit(
    2**20, "bytes", of="what precedes the list of records in a large envelope", beyond="the envelope is one record"
)
_SAMPLE_BYTES = 2**18
_TRIES = 64
_STRING_PART = re.compile(rb'(?:[^"\\\n]++|\\[^\n])*+')
_SPACE = b" \t\r\n"
_OUTSIDE = re.compile(rb'[^"\[\]{}]*+')


class Start(NamedTuple):
    """The start of an envelope.

    Attributes:
        envelope: what is known of it before its records.
        end: position behind the bracket that opens the list of records.
        closing: number of brackets that close the envelope behind the list.
        shortened: the text so far, with the first records only.
    """

    envelope: Opened
    end: int
    closing: int
    shortened: bytes


def envelope_start(text: bytes, envelopes: Envelopes, records: str | None) -> Start | None:
    """Return the start of an envelope whose list of records is longer than the text; None if it is not an envelope.

    A list that is named after another feed could be one of two: what follows it must be known.
    """
    names = [re.escape(records.rpartition(".")[2].encode())] if records else [name.encode() for name in NAMES]
    pattern = re.compile(rb'"(?:' + b"|".join(names) + rb')"\s*:\s*\[')
    for tries, found in enumerate(pattern.finditer(text, 0, _HEAD_BYTES)):
        if tries == _TRIES:
            break
        sample = next(Splitter(inside=True).pieces(text[found.end() : found.end() + _SAMPLE_BYTES], ended=False), None)
        if sample is None or sample.kind != "objects":
            continue
        listed = b"[" + b",".join(sample.values) + b"]"
        shortened = text[: found.end() - 1] + listed
        for closing in range(1, records.count(".") + 2 if records else 3):
            envelope = _opened(shortened + b"}" * closing, envelopes)
            if envelope and envelope.records == listed and not envelope.is_foreign:
                return Start(envelope, found.end(), closing, shortened)
    return None


def closed(start: Start, tail: bytes, envelopes: Envelopes) -> Opened | None:
    """Return a whole envelope, with its first records only; None if what follows the list does not belong to it."""
    whole = _opened(start.shortened + tail, envelopes)
    return whole if whole and whole.path == start.envelope.path else None


def _opened(text: bytes, envelopes: Envelopes) -> Opened | None:
    try:
        return envelopes.open(text)
    except (NoRecords, RepeatedName):
        return None


def skip_value(text: Text, splitter: Splitter, skipper: "Skipper | LineSkipper", keep: int = 0) -> tuple[int, bytes]:
    """Drop the rest of a value. Return its size, and its text unless that is longer than `keep`."""
    size, parts = 0, list[bytes]()
    while True:
        end = skipper.skip(text.buffer)
        size += end
        if size <= keep:
            parts.append(text.buffer[:end])
        splitter.passed(text.buffer[:end])
        text.drop(end)
        if skipper.done or text.ended:
            return size, b"" if size > keep else b"".join(parts)
        text.read()


class Skipper:
    """Finds the end of a value that arrives in parts.

    A bracket at the start of a line opens another value, not one inside it, if what is before it shows that; so damage
    costs its value only.

    Args:
        depth: how many brackets are open at the start of the text.
        by_line: whether each value is on a line of its own.

    Attributes:
        done: whether the end was found.
    """

    def __init__(self, depth: int = 0, *, by_line: bool = False) -> None:
        self.done = False
        self._depth, self._by_line = depth, by_line
        self._in_string = self._damaged = False
        #: The last byte of the text before that is not white space, and the white space behind it.
        self._before = self._space = b""

    def skip(self, text: bytes) -> int:
        """Return how many bytes of a text belong to the value; the others must come again, with more."""
        at = 0
        while True:
            found = (_STRING_PART if self._in_string else _OUTSIDE).match(text, at)
            at = found.end() if found else at
            byte = text[at : at + 1]
            if not byte or (byte == b"\\" and at + 1 == len(text)):
                self._remember(text[:at])
                return at
            if byte in b"{[" and not self._in_string and self._begins_another(text, at):
                self.done = True
                return at
            at += 1
            if self._in_string:
                self._in_string = byte == b"\\"  # before a line end, which ends the string
                self._damaged |= byte != b'"'
            elif byte == b'"':
                self._in_string = True
            else:
                self._depth += 1 if byte in b"{[" else -1
                if self._depth <= 0:
                    self.done = True
                    return at

    def _remember(self, text: bytes) -> None:
        before = text.rstrip(_SPACE)
        space = text[len(before) :] if before else self._space + text
        self._before = before[-1:] or self._before
        self._space = space[max(space.rfind(b"\n"), 0) :][:2]  # is there a line end, and more behind it?

    def _begins_another(self, text: bytes, at: int) -> bool:
        """Whether a bracket opens another value: nothing but white space is before it on its line."""
        start = at
        while start and text[start - 1] in _SPACE:
            start -= 1
        space = text[start:at] if start else self._space + text[:at]
        newline = space.rfind(b"\n")
        if newline < 0 or not self._depth:
            return False
        before = text[start - 1 : start] if start else self._before
        return before not in b"[,:" or (newline == len(space) - 1 and (self._damaged or self._by_line))
