"""Checks that a store is always used with the same pseudonym key: otherwise each user would be stored as two."""

from hashlib import blake2b

from advertisex.errors import ConfigurationError
from advertisex.stores.contract import EventStore

_KIND, _NAME = "pseudonyms", "key"
#: Size of the fingerprint: enough to detect a wrong key, too little to reveal it.
_BYTES = 4


def check_pseudonym_key(store: EventStore, key: bytes) -> None:
    """Check that the key is that of the store; a store without a key accepts any.

    Args:
        store: the store, with the fingerprint of its key if it has one (see `note_pseudonym_key`).
        key: the secret from the settings; empty if none is set.

    Raises:
        ConfigurationError: the key differs from the store's, or the store has one and none is set.
    """
    known = store.notes(_KIND).get(_NAME)
    if known is not None and known != _fingerprint(key):
        fault = "different pseudonym key" if key else "pseudonym key, but none is set"
        raise ConfigurationError(
            f"setting privacy.pseudonym_key: the store has a {fault}",
            hint="set the key that the store was created with, or start a new store with another one",
            setting=("privacy", "pseudonym_key"),
        )


def note_pseudonym_key(store: EventStore, key: bytes) -> None:
    """Check the key, and record its fingerprint in the store if it is the first.

    Raises:
        ConfigurationError: see `check_pseudonym_key`.
        StoreError: the store cannot be written.
    """
    check_pseudonym_key(store, key)
    if key and _NAME not in store.notes(_KIND):
        store.take_note(_KIND, {_NAME: _fingerprint(key)})


def _fingerprint(key: bytes) -> bytes:
    return blake2b(key, digest_size=_BYTES, person=b"fingerprint").hexdigest().encode()
