"""The whole of processing on one screen: from a batch of messages to an outcome."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from advertisex.feeds import Feed
from advertisex.model import CARRIED, EVENT_COLUMNS, Batch, Outcome
from advertisex.processing.decode import decode
from advertisex.processing.enrich import enrich
from advertisex.processing.identify import first_of_each, identify
from advertisex.processing.policy import Policy, apply_policy
from advertisex.processing.pseudonymise import pseudonymise
from advertisex.processing.rejected import rejects_of
from advertisex.processing.standardise import standardise
from advertisex.processing.suppression import NOBODY, Suppression, rows_of_erased, suppress
from advertisex.processing.validate import validate


def process(
    batch: Batch,
    feed: Feed,
    policy: Policy = Policy(),
    suppression: Suppression = NOBODY,
    pseudonym_key: bytes = b"",
) -> Outcome:
    """Process a batch. Pure: the same batch always has the same outcome.

    Args:
        batch: messages of the feed's topic.
        feed: the feed.
        policy: which valid events are filtered.
        suppression: erased users, whose messages are suppressed.
        pseudonym_key: secret key for pseudonyms; empty stores user ids unchanged.

    Returns:
        Unique events with the columns of the feed and `EVENT_COLUMNS`; rejected and filtered messages, whole; the
        repeated events; and the suppressed messages. They add up to the number of messages.
    """
    evaluated = evaluate(batch.payloads, batch.ingested_at, feed, policy, suppression)
    identified = identify(enrich(pseudonymise(evaluated.kept, pseudonym_key)), feed)
    remaining, suppressed = suppress(identified, evaluated.erased, batch.offsets)
    unique, repeated = first_of_each(remaining)
    return Outcome(
        span=batch.span,
        feed=feed.name,
        events=_stored_columns(unique, feed, batch.offsets),
        rejects=rejects_of(batch, evaluated.rejected),
        repeated=_stored_columns(repeated, feed, batch.offsets),
        read=len(batch),
        messages=batch,
        suppressed=suppressed,
        erasures=suppression.erasures,
        kept_since=policy.kept_since,
        lost=batch.lost,
    )


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Which messages are accepted, and why the others are not. A row is the index of a message.

    Attributes:
        kept: standardised valid events that the policy keeps, those of erased users included.
        rejected: rejected and filtered messages (see `rejected_frame`), without those of erased users.
        erased: rows of the messages of erased users, in order.
    """

    kept: pl.DataFrame
    rejected: pl.DataFrame
    erased: Sequence[int]


def evaluate(
    payloads: Sequence[bytes], ingested_at: Sequence[int], feed: Feed, policy: Policy, suppression: Suppression
) -> Evaluated:
    """Decode, validate and filter messages. Every message is accepted, rejected, filtered or of an erased user."""
    decoded, undecodable = decode(payloads, feed)
    erased = rows_of_erased(payloads, decoded, undecodable, suppression)
    valid, invalid = validate(standardise(decoded, feed), decoded, feed, ingested_at)
    kept, filtered = apply_policy(valid, policy)
    rejected = pl.concat([undecodable, invalid, filtered])
    if erased:
        rejected = rejected.filter(~pl.col("row").is_in(erased))
    return Evaluated(kept, rejected, erased)


def _stored_columns(events: pl.DataFrame, feed: Feed, offsets: Sequence[int]) -> pl.DataFrame:
    """The stored columns, in storage order, and whether the message carries those that may be computed."""
    offset = pl.Series("offset", offsets, dtype=pl.Int64).gather(events["row"])
    carried = (expression.alias(CARRIED + name) for name, expression in feed.carried.items())
    return events.with_columns(offset).select(*(EVENT_COLUMNS | feed.columns), *carried)
