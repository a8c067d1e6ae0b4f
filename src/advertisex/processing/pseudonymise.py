"""Pseudonymise stage: if a key is set, replaces user ids with keyed hashes."""

from hashlib import blake2b

import polars as pl

#: Size of a pseudonym: two given users collide with a probability of 2^-128.
_BYTES = 16


def pseudonymise(kept: pl.DataFrame, key: bytes) -> pl.DataFrame:
    """Replace each `user_id` with its pseudonym; an empty key changes nothing."""
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
    """The pseudonym of a user with a key: 32 hexadecimal digits."""
    short = blake2b(key).digest()  # BLAKE2 keys have at most 64 bytes
    return blake2b(user.encode(), digest_size=_BYTES, key=short).hexdigest()
