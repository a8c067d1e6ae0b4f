"""The keys that events are grouped by: one of `KEYS`, or an own field that is a text or a flag.

A click or a conversion has its own value of the field. If the clicks feed does not have the field, the row takes it
from the impression that it is matched to, see `match_impressions`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from advertisex.analysis.fields import dtype_of, fields_of
from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.stores.contract import EventStore

#: The keys besides own fields.
KEYS = ("campaign_id", "creative_id", "website", "placement", "app", "advertiser_id")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of events.

    Attributes:
        column: column that contains it. A website is identified by its registered domain, because it has many pages.
        dtype: String or Boolean.
        is_matched: whether rows of the clicks feed take it from their impression.
    """

    column: str
    dtype: pl.DataType
    is_matched: bool

    @property
    def text(self) -> pl.Expr:
        """The key of an event as text, in a column `key`."""
        return pl.col(self.column).cast(pl.String).alias("key")

    def named(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give the column `key`, which contains text, its own name and dtype.

        Raises:
            ConfigurationError: the rows have another column of that name.
        """
        if self.column in rows.columns:
            raise ConfigurationError(
                f"by (--by): the answer has another column {self.column!r}", hint="give the own field another name"
            )
        key = pl.col("key") == "true" if self.dtype == pl.Boolean() else pl.col("key")
        return rows.with_columns(key.alias("key")).rename({"key": self.column})


def key_of(store: EventStore, by: object, feeds: Sequence[str], others: Sequence[str] = ()) -> Key:
    """Find the key that a question names.

    Args:
        store: the event store.
        by: name of a field, or `website`.
        feeds: the feeds that must have it, besides the clicks feed.
        others: what the question can group by besides, to suggest it.

    Raises:
        ConfigurationError: it is not a key, or a feed does not have it.
    """
    if not isinstance(by, str) or (by not in KEYS and by in FEEDS["impressions"].columns):
        raise ConfigurationError(
            f"by (--by): cannot group by {by!r}", hint=f"use an own field, or one of {', '.join([*KEYS, *others])}"
        )
    column = "domain" if by == "website" else by
    is_matched = column not in fields_of(store, "clicks")
    read = feeds if is_matched else [*feeds, "clicks"]
    dtype = dtype_of(store, column, read, "by (--by)", choices=[one for one in (*KEYS, *others) if one != by])
    if dtype not in (pl.String(), pl.Boolean()):
        raise ConfigurationError(f"by (--by): cannot group by the numbers of {by!r}", hint="use a text or a flag")
    return Key(column, dtype, is_matched)
