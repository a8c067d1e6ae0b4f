"""Stage 5, pseudonymise: where a key is set, no user id is stored, but its keyed hash."""

from hashlib import blake2b

import polars as pl

#: Bytes of a pseudonym: two users share one with a chance of 1 in 2^128.
_BYTES = 16


def pseudonymise(kept: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """Put the pseudonym in the place of each `user_id`; an empty key changes nothing."""
    if not key:
        return kept
    users = kept["user_id"].unique()
    table = pl.DataFrame(
        {"user_id": users, "pseudonym": [pseudonym(user, key) for user in users]},
        schema={"user_id": pl.String, "pseudonym": pl.String},
    )
    joined = kept.join(table, on="user_id", how="left", maintain_order="left")
    return joined.with_columns(user_id="pseudonym").drop("pseudonym")


def pseudonym(user: str, key: bytes) -> str:
    """The pseudonym of a user under a key: 32 hexadecimal digits."""
    short = blake2b(key).digest()  # a key of BLAKE2 has at most 64 bytes
    return blake2b(user.encode(), digest_size=_BYTES, key=short).hexdigest()
