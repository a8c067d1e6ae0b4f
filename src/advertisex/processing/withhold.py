"""Withhold: of the messages of erased users nothing is kept. They are counted, and that is all.

A message is a user's when its user id, as it is decoded, is theirs. One that cannot be decoded, or has no user id, is
theirs when it holds the id as a whole word: a run of characters without whitespace, control characters, quotes and
`, ; : { } [ ] ( ) = & < >`, or a text of an Avro datum.
"""

import re
from collections.abc import Collection, Iterator

import polars as pl

from advertisex.batches import SUPPRESSED_COLUMNS, TOMBSTONE, Batch
from advertisex.feeds import Feed
from advertisex.feeds.avro_framing import CONFLUENT_MARKER, MARKER
from advertisex.processing.decode import MAX_BYTES, decode
from advertisex.processing.suppression import Suppression

#: What stands for bytes that are no UTF-8 parts words, too.
_WORD = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\"',;:{}\[\]()=&<>\ufffd]+")
#: The length of a text of up to 63 bytes, which stands before it in Avro, twice, in one byte.
_LONGEST_AVRO_WORD = 63


def rows_of_erased(
    batch: Batch, decoded: pl.DataFrame, undecodable: pl.DataFrame, suppression: Suppression
) -> list[int]:
    """Which rows of a batch are messages of erased users, or were put in the place of one; in no order.

    Args:
        batch: messages.
        decoded: those that were decoded: row, user_id, ….
        undecodable: the others: row, ….
        suppression: the erased users.
    """
    found = [row for row, one in enumerate(batch.payloads) if one == TOMBSTONE] if TOMBSTONE in batch.payloads else []
    if suppression.erasures:
        users = decoded["user_id"].drop_nulls().unique()
        named = [user for user in users if suppression.names(user.encode())]
        found.extend(decoded.filter(pl.col("user_id").is_in(named))["row"] if named else ())
        nameless = decoded.filter(pl.col("user_id").fill_null("") == "")
        for row in (*nameless["row"], *undecodable["row"]):
            if batch.payloads[row] != TOMBSTONE and any(map(suppression.names, _words(batch.payloads[row]))):
                found.append(row)
    return found


def rows_of_users(batch: Batch, feed: Feed, users: Suppression) -> list[int]:
    """Which rows of a batch are messages of these users, by the same rule; rising."""
    decoded, undecodable = decode(batch, feed)
    rows = rows_of_erased(batch, decoded, undecodable, users)
    return sorted(row for row in rows if batch.payloads[row] != TOMBSTONE)


def suppress(identified: pl.DataFrame, erased: Collection[int], batch: Batch) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part events from those of erased users.

    Returns:
        The events that stay; and what is withheld, one row for each message in `erased` (`WITHHELD_COLUMNS`).
    """
    if not erased:
        return identified, pl.DataFrame(schema=SUPPRESSED_COLUMNS)
    theirs = pl.DataFrame({"row": sorted(erased)}, schema={"row": pl.UInt32})
    events = identified.select("row", "event_id", "event_time")
    suppressed = theirs.join(events, on="row", how="left", maintain_order="left").with_columns(
        pl.Series("offset", [batch.offsets[row] for row in theirs["row"]], dtype=pl.Int64)
    )
    return identified.join(theirs, on="row", how="anti", maintain_order="left"), suppressed.select(
        list(SUPPRESSED_COLUMNS)
    )


def _words(payload: bytes) -> Iterator[bytes]:
    """The words of a message that was not decoded, each once."""
    found = {word.encode() for word in _WORD.findall(payload.decode(errors="replace"))}
    if payload.startswith((MARKER, CONFLUENT_MARKER)) and len(payload) <= MAX_BYTES:
        found.update(_avro_words(payload))
    yield from found


def _avro_words(payload: bytes) -> Iterator[bytes]:
    """Every run of bytes that may be a text in an Avro datum: one with its length before it."""
    for place, twice in enumerate(payload, start=1):
        length, odd = divmod(twice, 2)
        if not odd and 0 < length <= _LONGEST_AVRO_WORD and place + length <= len(payload):
            yield payload[place : place + length]
