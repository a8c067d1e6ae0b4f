"""Whether users are stored under pseudonyms of the key that is set: with another, or none, each would be two users."""

from hashlib import blake2b

from advertisex.errors import ConfigurationError
from advertisex.stores.contract import EventStore

_KIND, _NAME = "pseudonyms", "key"
#: Enough to tell a slip, and too little to tell of the key.
_BYTES = 4


def check_pseudonym_key(store: EventStore, key: bytes) -> None:
    """Refuse another key than that of the store, and none where it has one.

    Args:
        store: notes which key it has; see `note_pseudonym_key`.
        key: the secret of the settings; empty where there is none.

    Raises:
        ConfigurationError: it is not the key of the store.
    """
    known = store.notes(_KIND).get(_NAME)
    if known is not None and known != _fingerprint(key):
        raise ConfigurationError(
            "users are stored under pseudonyms of another key" if key else "users are stored under pseudonyms",
            where="setting privacy.pseudonym_key",
            hint="set the key with which they were stored; for another one begin a new store",
        )


def note_pseudonym_key(store: EventStore, key: bytes) -> None:
    """Check the key, and let the store note it when it is the first.

    Raises:
        ConfigurationError: it is not the key of the store.
        StoreError: the store cannot be written.
    """
    check_pseudonym_key(store, key)
    if key and _NAME not in store.notes(_KIND):
        store.take_note(_KIND, {_NAME: _fingerprint(key)})


def _fingerprint(key: bytes) -> bytes:
    return blake2b(key, digest_size=_BYTES, person=b"fingerprint").hexdigest().encode()
