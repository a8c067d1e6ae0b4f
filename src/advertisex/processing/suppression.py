"""Suppress stage: messages of erased users are counted, and nothing of them is kept.

A message belongs to a user if its decoded user id is theirs. A message that cannot be decoded, or has no user id,
belongs to a user if it contains the id as a whole word: a run of characters without whitespace, control characters,
quotes and `, ; : { } [ ] ( ) = & < >`, a part of such a run between `| ^ ~`, or a string of an Avro datum. Text that
is not UTF-8 is also read as Windows-1252.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec
import polars as pl

from advertisex.codecs.avro_framing import CONFLUENT_MARKER, MARKER
from advertisex.feeds import Feed
from advertisex.model import SUPPRESSED_COLUMNS, TOMBSTONE
from advertisex.processing.decode import MAX_BYTES, decode
from advertisex.processing.missing import missing

#: Size of the hash of a user id.
_BYTES = 16
#: The replacement character of invalid UTF-8 separates words, too.
_WORD = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\"',;:{}\[\]()=&<>\ufffd]+")
#: Delimiters of a row that could not be read, which may also be part of an id.
_PARTS = re.compile(r"[|^~]")
#: What may follow or precede a word in a sentence.
_PUNCTUATION = ".!?…/`*"
#: Avro writes the length before a string, as a zigzag varint: up to 63 bytes it is one byte with twice the length.
_LONGEST_AVRO_WORD = 63


class Erased(msgspec.Struct, frozen=True):
    """The erased user in a note: only hashes of the id, which recognise the user's messages if they arrive again.

    Attributes:
        key: random key of the hashes.
        words: hashes of the user id, plain and as escaped in JSON.
    """

    key: bytes
    words: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Suppression:
    """The users whose messages are suppressed.

    Attributes:
        words: hashes of user ids, by their key; usually there is only one key.
        erasures: number of notes that it was built from.
    """

    words: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)
    erasures: int = 0

    def matches(self, word: bytes) -> bool:
        """Whether a word is the id of an erased user."""
        return any(hash_of(word, key) in hashes for key, hashes in self.words.items())


#: No erased users.
NOBODY = Suppression()


def suppression_in(notes: Mapping[str, bytes]) -> Suppression:
    """The users in a store's notes of erasures."""
    return suppression_of([msgspec.json.decode(document, type=Erased) for document in notes.values()])


def suppression_of(erased: Collection[Erased]) -> Suppression:
    """The users of several erasures."""
    words: dict[bytes, set[bytes]] = {}
    for one in erased:
        words.setdefault(one.key, set()).update(one.words)
    return Suppression({key: frozenset(hashes) for key, hashes in words.items()}, len(erased))


def mentions(text: str, users: Suppression) -> bool:
    """Whether a text contains the id of one of these users as a word."""
    words = {word.decode() for word in _words(text.encode())}
    words |= {part for word in words for part in (word.strip(_PUNCTUATION), *word.split("/"))}
    return any(users.matches(word.encode()) for word in words)


def erased_user(user: str, key: bytes) -> Erased:
    """A user as recorded in a note; `key` is the random key of the hashes."""
    escaped = json.dumps(user)[1:-1]  # as written in ASCII-only JSON
    return Erased(key, tuple(sorted({hash_of(word.encode(), key) for word in (user, escaped)})))


def hash_of(word: bytes, key: bytes) -> bytes:
    """The keyed hash of an id."""
    return blake2b(word, digest_size=_BYTES, key=key).digest()


def rows_of_erased(
    payloads: Sequence[bytes], decoded: pl.DataFrame, undecodable: pl.DataFrame, suppression: Suppression
) -> list[int]:
    """The rows of messages of erased users and of tombstones, sorted.

    Args:
        payloads: the messages.
        decoded: decoded messages, with `row` and `user_id`.
        undecodable: all other messages, with `row`.
        suppression: the erased users.
    """
    found = [row for row, payload in enumerate(payloads) if payload == TOMBSTONE] if TOMBSTONE in payloads else []
    if suppression.erasures:
        users = decoded["user_id"].drop_nulls().unique()
        erased = [user for user in users if suppression.matches(user.encode())]
        found.extend(decoded.filter(pl.col("user_id").is_in(erased))["row"] if erased else ())
        without_user = decoded.filter(missing(decoded["user_id"]))
        for row in (*without_user["row"], *undecodable["row"]):
            if payloads[row] != TOMBSTONE and any(map(suppression.matches, _words(payloads[row]))):
                found.append(row)
    return sorted(found)


def rows_of_users(payloads: Sequence[bytes], feed: Feed, users: Suppression) -> list[int]:
    """The rows of messages of these users, by the rule of the suppress stage; sorted."""
    decoded, undecodable = decode(payloads, feed)
    return [row for row in rows_of_erased(payloads, decoded, undecodable, users) if payloads[row] != TOMBSTONE]


def suppress(
    identified: pl.DataFrame, erased: Sequence[int], offsets: Sequence[int]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Remove the events of erased users.

    Args:
        identified: events with `row` and `event_id`.
        erased: rows of the messages that are suppressed, in order.
        offsets: the offset of each message, indexed by row.

    Returns:
        The remaining events; and one row per message in `erased` (`SUPPRESSED_COLUMNS`).
    """
    if not erased:
        return identified, pl.DataFrame(schema=SUPPRESSED_COLUMNS)
    theirs = pl.DataFrame(
        {"row": erased, "offset": [offsets[row] for row in erased]}, schema={"row": pl.UInt32, "offset": pl.Int64}
    )
    events = identified.select("row", "event_id", "event_time")
    suppressed = theirs.join(events, on="row", how="left", maintain_order="left").select(list(SUPPRESSED_COLUMNS))
    return identified.join(theirs, on="row", how="anti", maintain_order="left"), suppressed


def _words(payload: bytes) -> Iterator[bytes]:
    """The distinct words of a message that was not decoded."""
    text = payload.decode(errors="replace")
    words = _WORD.findall(text)
    if "\ufffd" in text:
        words += _WORD.findall(payload.decode("cp1252", errors="replace"))
    found = {part.encode() for word in words for part in (word, *_PARTS.split(word))}
    if payload.startswith((MARKER, CONFLUENT_MARKER)) and len(payload) <= MAX_BYTES:
        found.update(_avro_words(payload))
    yield from found


def _avro_words(payload: bytes) -> Iterator[bytes]:
    """Every run of bytes that may be a string of an Avro datum: one preceded by its length."""
    for start, encoded in enumerate(payload, start=1):
        length, odd = divmod(encoded, 2)
        if not odd and 0 < length <= _LONGEST_AVRO_WORD and start + length <= len(payload):
            yield payload[start : start + length]
