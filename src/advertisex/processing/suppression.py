"""Who was erased: what remains of them is a keyed hash, by which their messages are known when they come again."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import msgspec

_BYTES = 16


class Erased(msgspec.Struct, frozen=True):
    """What a note of an erasure says of whom.

    Attributes:
        key: random, under which the hashes are made.
        words: hashes of the user's id, and of how JSON may write it.
    """

    key: bytes
    words: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Suppression:
    """The users whose messages are withheld.

    Attributes:
        words: their hashes, by the key under which they were made; one key is the rule.
        erasures: how many notes it was made of.
    """

    words: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)
    erasures: int = 0

    def names(self, word: bytes) -> bool:
        """Whether a word is the id of such a user."""
        return any(hash_of(word, key) in hashes for key, hashes in self.words.items())


#: Where no user was erased.
NOBODY = Suppression()


def suppression_in(notes: Mapping[str, bytes]) -> Suppression:
    """The users that the notes of erasures are about."""
    return suppression_of([msgspec.json.decode(document, type=Erased) for document in notes.values()])


def suppression_of(erased: Collection[Erased]) -> Suppression:
    """The users of some erasures."""
    words: dict[bytes, set[bytes]] = {}
    for one in erased:
        words.setdefault(one.key, set()).update(one.words)
    return Suppression({key: frozenset(hashes) for key, hashes in words.items()}, len(erased))


def erased_user(user: str, key: bytes) -> Erased:
    """A user, as a note remembers them."""
    escaped = json.dumps(user)[1:-1]  # as it stands in a document that is kept to ASCII
    return Erased(key, tuple(sorted({hash_of(word.encode(), key) for word in (user, escaped)})))


def hash_of(word: bytes, key: bytes) -> bytes:
    """The keyed hash of an id."""
    return blake2b(word, digest_size=_BYTES, key=key).digest()
