"""Tokens: texts that let a client in. The settings have only their hashes."""

from collections.abc import Iterable
from hashlib import sha256
from secrets import compare_digest, token_urlsafe

from advertisex.settings.web import TokenSettings

#: Random bytes of a token.
_RANDOM = 32

#: How each token begins, so that scanners find one that was published by accident.
_PREFIX = "adx_"


def new_token() -> str:
    """Make a token."""
    return _PREFIX + token_urlsafe(_RANDOM)


def hash_of(token: str) -> str:
    """Return the hash of a token, as the settings have it.

    A slow hash with a salt protects passwords, of which there are few that people choose. There are 2^256 tokens, each
    as likely as any other, so nobody finds one by trying; and a fast hash leaves no work to those who try.
    """
    return f"sha256:{sha256(token.encode(errors='replace')).hexdigest()}"


def holder_of(token: str, known: Iterable[TokenSettings]) -> TokenSettings | None:
    """Return the settings of a token, or None if it is wrong. The time does not depend on which one it is."""
    found, given = None, hash_of(token)
    for one in known:
        if compare_digest(given, one.hash):
            found = one
    return found
