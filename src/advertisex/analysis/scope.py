"""The scope of a question: a range of event times, a campaign, values of fields, and an as-of time."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from advertisex.analysis.arguments import check_time, check_zone
from advertisex.analysis.fields import FieldValue, dtype_of, only_clicks_have, value_of
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import AMOUNT
from advertisex.reporting.cells import plain_decimal
from advertisex.stores.contract import EventStore, Range
from advertisex.stores.retention import removed_before


@dataclass(frozen=True, slots=True)
class Scope:
    """The events that a question is about. Times are naive UTC; those with a zone are converted. None is unbounded.

    Attributes:
        since: earliest event time, inclusive.
        until: latest event time, exclusive.
        campaign: a single campaign; None selects all events.
        as_of: only events processed by this time (inclusive) count.
        zone: IANA name of the time zone of days, weeks and months.
        where: only events that have these values, by field: stored fields, own fields among them, `campaign_id` and
            `advertiser_id`. A question parses text by the type of the field.
        kept_since: time before which events or rejects were removed; a question sets it, and it selects nothing.
        of_clicks: the fields of `where` that only the clicks feed has, of the feeds that a question covers; the
            question sets it.

    Raises:
        ConfigurationError: a time is not a datetime, the campaign is not a string, the range is empty, the
            time zone is unknown, or a field has no value.
    """

    since: datetime | None = None
    until: datetime | None = None
    campaign: str | None = None
    as_of: datetime | None = None
    where: Mapping[str, FieldValue] = field(default_factory=dict, hash=False)
    zone: str = "UTC"
    kept_since: datetime | None = field(default=None, compare=False, repr=False, kw_only=True)
    of_clicks: frozenset[str] = field(default=frozenset(), compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("since", "until", "as_of"):
            if (time := getattr(self, name)) is not None:
                object.__setattr__(self, name, check_time(time, name))
        if not isinstance(self.campaign, str | None):
            raise ConfigurationError(f"campaign: {self.campaign!r} is not a string", hint="use the id of a campaign")
        check_zone(self.zone, "zone (--zone)")
        object.__setattr__(self, "where", _checked(self.where))
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ConfigurationError(
                f"the range is empty: {self.text()}", hint="`since` (--since) must be before `until` (--until)"
            )

    def settled(self, store: EventStore) -> "Scope":
        """Return the scope with `as_of` capped at the store's last commit, so that the answer is reproducible."""
        last = store.settled()
        return self if last is None else replace(self, as_of=min(last, self.as_of or last))

    @property
    def within(self) -> Range:
        """The range to pass to a store."""
        return Range(self.since, self.until, self.as_of)

    def values_of(self, feed: str) -> dict[str, FieldValue]:
        """The values of fields that select events of a feed; the scope must be checked, see `check_scope`.

        A field that only the clicks feed has selects nothing in the other feeds.
        """
        return {name: value for name, value in self.where.items() if feed == "clicks" or name not in self.of_clicks}

    def conditions(self, feed: str) -> list[pl.Expr]:
        """What an event of a feed must fulfil besides the range (Boolean, never null): its campaign and fields.

        A conversion type keeps the rows that count only clicks, too: they are what its conversions came from.

        Args:
            feed: name of the feed; the expressions are over its `readable` columns.
        """
        campaign = {} if self.campaign is None else {"campaign_id": self.campaign}
        given = campaign | self.values_of(feed)
        found = {name: pl.col(name).eq_missing(_literal(value)) for name, value in given.items()}
        if feed == "clicks" and "conversion_type" in found:
            found["conversion_type"] |= ((pl.col("clicks") > 0) & (pl.col("conversions") == 0)).fill_null(value=False)
        return list(found.values())

    @property
    def notes(self) -> list[str]:
        """What a reader must know about the selection, one sentence each."""
        names = ", ".join(name for name in self.where if name in self.of_clicks)
        if not names:
            return []
        return [f"{names}: only clicks and conversions have it, so the other events are not filtered by it."]

    def reaches_below_floor(self, lookback: timedelta) -> bool:
        """Return whether a question about this scope needs events from before `kept_since`.

        Args:
            lookback: how long before the range it reads events.
        """
        return self.kept_since is not None and (self.since is None or self.since - self.kept_since < lookback)

    def to_dict(self) -> dict[str, Any]:
        """Return the scope as a JSON object: ISO 8601 times with Z, null if unbounded."""
        return {
            "since": None if self.since is None else self.since.isoformat() + "Z",
            "until": None if self.until is None else self.until.isoformat() + "Z",
            "campaign": self.campaign,
            "as_of": None if self.as_of is None else self.as_of.isoformat() + "Z",
            "where": dict(self.where),
            "zone": self.zone,
        }

    def text(self) -> str:
        """Return the scope as human-readable text; empty if unbounded."""
        bounds = {
            name: value for name, value in self.to_dict().items() if name not in ("where", "zone") and value is not None
        }
        return ", ".join(
            [*(f"{name.replace('_', ' ')} {value}" for name, value in bounds.items()), *self.where_texts()]
        )

    def where_texts(self) -> list[str]:
        """Return the values of the fields in the notation of the command line: `device=phone`."""
        return [f"{name}={_text(value)}" for name, value in self.where.items()]


def check_scope(scope: object, store: EventStore, feeds: Collection[str] = tuple(FEEDS)) -> Scope:
    """Check the scope of a question, and parse its values.

    Args:
        scope: the argument of the question.
        store: the event store.
        feeds: the feeds that it applies to.

    Returns:
        The scope, with the values of its fields in their types.

    Raises:
        ConfigurationError: it is not a scope, a feed does not have a field that others than clicks have, a value does
            not fit its field, or its `as_of` is before the store was rebuilt.
        AnalysisError: nothing of its range is kept.
    """
    if not isinstance(scope, Scope):
        raise ConfigurationError(f"scope: {scope!r} is not a Scope", hint='use Scope(campaign="camp-1"), for example')
    check_known(scope.as_of, store, "as_of (--as-of)")
    of_clicks = frozenset(name for name in scope.where if only_clicks_have(store, name, feeds))
    where = {}
    for name, value in scope.where.items():
        dtype = dtype_of(store, name, ["clicks"] if name in of_clicks else feeds, "where (--where)")
        where[name] = value_of(value, dtype, f"where (--where): {name}")
    kept_since = removed_before(store)
    if kept_since is not None and scope.until is not None and scope.until <= kept_since:
        raise AnalysisError(
            f"nothing before {kept_since.isoformat()}Z is kept (store.keep_days)",
            where=scope.text(),
            hint="choose a later range",
        )
    return replace(scope, where=where, kept_since=kept_since, of_clicks=of_clicks)


def check_known(time: datetime | None, store: EventStore, name: str) -> None:
    """Check that the store knows how it was at a time.

    Raises:
        ConfigurationError: it was rebuilt from the log later.
    """
    rebuilt_at = None if time is None else store.rebuilt_at()
    if time is not None and rebuilt_at is not None and time < rebuilt_at:
        raise ConfigurationError(
            f"{name}: {time.isoformat()}Z is too early: the store was rebuilt at {rebuilt_at.isoformat()}Z, and does "
            "not know how it was before",
            hint="use the time of the rebuild or a later one",
        )


def _checked(where: object) -> dict[str, FieldValue]:
    if not isinstance(where, Mapping):
        raise ConfigurationError(f"where: {where!r} is not a mapping", hint='use {"device": "phone"}, for example')
    for name, value in where.items():
        if not isinstance(name, str) or not isinstance(value, str | bool | int | Decimal):
            raise ConfigurationError(
                f"where: {name!r}: {value!r} is not valid", hint="use text, a bool, an int or a Decimal by field name"
            )
    return dict(where)


def _literal(value: FieldValue) -> pl.Expr:
    return pl.lit(value, AMOUNT) if isinstance(value, Decimal) else pl.lit(value)


def _text(value: FieldValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain_decimal(value) if isinstance(value, Decimal) else str(value)
