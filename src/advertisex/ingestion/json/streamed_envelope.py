"""Values that are too large to be held in memory: the start of an envelope, and the end of a value that is skipped."""

import re
from typing import NamedTuple

from advertisex.codecs.json_text import NOT_JSON, json_object
from advertisex.ingestion.json.envelope import NAMES, Envelopes, NoRecords, Opened
from advertisex.ingestion.json.sequence import Splitter

#: The list of a large envelope must begin within so many bytes, and so many bytes of it show what its records carry.
_HEAD_BYTES = 2**20
_SAMPLE_BYTES = 2**18
_TRIES = 64
_STRING_PART = re.compile(rb'(?:[^"\\\n]++|\\[^\n])*+')
_OUTSIDE = re.compile(rb'[^"\[\]{}]*+')


class Start(NamedTuple):
    """The start of an envelope.

    Attributes:
        envelope: what is known of it before its records.
        end: position behind the bracket that opens the list of records.
        closing: number of brackets that close the envelope behind the list.
    """

    envelope: Opened
    end: int
    closing: int


def envelope_start(text: bytes, envelopes: Envelopes, records: str | None) -> Start | None:
    """Return the start of an envelope whose list of records is longer than the text; None if it is not an envelope."""
    names = [re.escape(records.rpartition(".")[2].encode())] if records else [name.encode() for name in NAMES]
    pattern = re.compile(rb'"(?:' + b"|".join(names) + rb')"\s*:\s*\[')
    for tries, found in enumerate(pattern.finditer(text, 0, _HEAD_BYTES)):
        if tries == _TRIES:
            break
        head = text[: found.end()]
        sample = next(Splitter(inside=True).pieces(text[found.end() : found.end() + _SAMPLE_BYTES], ended=False), None)
        if sample is None or sample.kind != "objects":
            continue
        listed = b"[" + b",".join(sample.values) + b"]"
        for closing in range(1, records.count(".") + 2 if records else 3):
            whole = head[:-1] + listed + b"}" * closing
            if _is_object(whole) and (envelope := _opened(whole, envelopes)) and envelope.records == listed:
                return Start(envelope, found.end(), closing)
    return None


def _is_object(text: bytes) -> bool:
    try:
        json_object(text)
    except NOT_JSON:
        return False
    return True


def _opened(text: bytes, envelopes: Envelopes) -> Opened | None:
    try:
        return envelopes.open(text)
    except NoRecords:
        return None


class Skipper:
    """Finds the end of a value that arrives in parts.

    Args:
        depth: how many brackets are open at the start of the text.

    Attributes:
        done: whether the end was found.
    """

    def __init__(self, depth: int = 0) -> None:
        self.done = False
        self._depth = depth
        self._in_string = False

    def skip(self, text: bytes) -> int:
        """Return how many bytes of a text belong to the value; the others must come again, with more."""
        at = 0
        while True:
            found = (_STRING_PART if self._in_string else _OUTSIDE).match(text, at)
            at = found.end() if found else at
            byte = text[at : at + 1]
            if not byte or (byte == b"\\" and at + 1 == len(text)):
                return at
            at += 1
            if self._in_string:
                self._in_string = byte == b"\\"  # before a line end, which ends the string
            elif byte == b'"':
                self._in_string = True
            else:
                self._depth += 1 if byte in b"{[" else -1
                if self._depth <= 0:
                    self.done = True
                    return at
