"""The whole of processing on one screen: from a batch of messages to an outcome."""

import polars as pl

from advertisex.codecs.rejection import rejects_of
from advertisex.feeds import Feed
from advertisex.model import EVENT_COLUMNS, Batch, Outcome
from advertisex.processing.decode import decode
from advertisex.processing.enrich import Catalogue, enrich
from advertisex.processing.identify import first_of_each, identify
from advertisex.processing.policy import Policy, apply_policy
from advertisex.processing.pseudonymise import pseudonymise
from advertisex.processing.standardise import standardise
from advertisex.processing.suppression import NOBODY, Suppression, rows_of_erased, suppress
from advertisex.processing.validate import validate


def process(
    batch: Batch,
    feed: Feed,
    policy: Policy = Policy(),
    catalogue: Catalogue = Catalogue(),
    suppression: Suppression = NOBODY,
    pseudonym_key: bytes = b"",
) -> Outcome:
    """Process a batch. Pure: the same batch always has the same outcome.

    Args:
        batch: messages of the feed's topic.
        feed: the feed.
        policy: which valid events are filtered.
        catalogue: campaign and advertiser of each creative.
        suppression: erased users, whose messages are suppressed.
        pseudonym_key: secret key for pseudonyms; empty stores user ids unchanged.

    Returns:
        Unique events with the columns of the feed and `EVENT_COLUMNS`; rejected and filtered messages, whole; the
        number of repeated events; and the suppressed messages. They add up to the number of messages.
    """
    decoded, undecodable = decode(batch, feed)
    erased = rows_of_erased(batch, decoded, undecodable, suppression)
    valid, invalid = validate(standardise(decoded, feed), feed)
    kept, filtered = apply_policy(valid, policy)
    identified = identify(enrich(pseudonymise(kept, pseudonym_key), catalogue), feed)
    remaining, suppressed = suppress(identified, erased, batch)
    unique, repeated = first_of_each(remaining)
    return Outcome(
        span=batch.span,
        feed=feed.name,
        events=stored_columns(unique, feed),
        rejects=rejects_of(batch, [undecodable, invalid, filtered], without=erased),
        repeated=repeated,
        read=len(batch),
        messages=batch,
        suppressed=suppressed,
        erasures=suppression.erasures,
    )


def stored_columns(events: pl.DataFrame, feed: Feed) -> pl.DataFrame:
    """Select the stored columns, in storage order."""
    return events.select(list(EVENT_COLUMNS | feed.columns))
