"""Erased users: only keyed hashes of their ids are kept, to recognise their messages if they arrive again."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

_BYTES = 16


class Erased(msgspec.Struct, frozen=True):
    """The erased user in a note of an erasure.

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
    """The users of the notes of erasures in a store."""
    return suppression_of([msgspec.json.decode(document, type=Erased) for document in notes.values()])


def suppression_of(erased: Collection[Erased]) -> Suppression:
    """The users of several erasures."""
    words: dict[bytes, set[bytes]] = {}
    for one in erased:
        words.setdefault(one.key, set()).update(one.words)
    return Suppression({key: frozenset(hashes) for key, hashes in words.items()}, len(erased))


def erased_user(user: str, key: bytes) -> Erased:
    """A user as stored in a note."""
    escaped = json.dumps(user)[1:-1]  # as written in ASCII-only JSON
    return Erased(key, tuple(sorted({hash_of(word.encode(), key) for word in (user, escaped)})))


def hash_of(word: bytes, key: bytes) -> bytes:
    """The keyed hash of an id."""
    return blake2b(word, digest_size=_BYTES, key=key).digest()
