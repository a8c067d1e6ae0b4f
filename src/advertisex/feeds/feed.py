"""The definition of a feed as frozen data: fields, rules and identity."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import polars as pl

from advertisex.feeds.time_format import time_format

FieldKind = Literal["text", "user", "website", "event_type", "currency", "json", "time", "count", "amount", "flag"]

#: The kinds that an own field can have.
OwnKind = Literal["text", "flag", "count", "amount"]

#: Wire format of a feed's messages: flat JSON objects, or a mix of Avro datums and nested JSON objects.
Wire = Literal["json", "avro"]

#: dtype of an amount of money: 12 decimal places, and sums up to 10²⁶ units.
AMOUNT = pl.Decimal(38, 12)

#: dtype of a field after standardisation. Times are UTC in microseconds.
DTYPES: dict[FieldKind, pl.DataType] = {
    "text": pl.String(),
    "user": pl.String(),
    "website": pl.String(),
    "event_type": pl.String(),
    "currency": pl.String(),
    "json": pl.String(),
    "time": pl.Datetime("us"),
    "count": pl.Int64(),
    "amount": AMOUNT,
    "flag": pl.Boolean(),
}

#: (name, dtype, comment) of the column that processing adds to events with a website.
DOMAIN: tuple[tuple[str, pl.DataType, str], ...] = (
    ("domain", pl.String(), "registered domain of the website (Public Suffix List)"),
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event.

    Attributes:
        name: canonical name, also the name of the standardised column ("timestamp" becomes "event_time").
        kind: text, user (id of the user), website (URL or host), event_type (text or a boolean), currency (ISO 4217
            code, or text), json (one JSON object, as text), time, count (whole number), amount (exact decimal number)
            or flag (true or false).
        description: one line; becomes the comment on the stored column.
        required: whether an event without it is rejected.
        aliases: other names that sources use; the canonical name wins, then the first alias found.
        is_id: whether it is an identifier, which must not contain control characters.
        stored: whether it is a column of the stored event.
    """

    name: str
    kind: FieldKind
    description: str
    required: bool = False
    aliases: tuple[str, ...] = ()
    is_id: bool = False
    stored: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The canonical name and the aliases, in lookup order."""
        return (self.name, *self.aliases)

    @property
    def is_text(self) -> bool:
        """Whether the standardised column is text, as sent."""
        return DTYPES[self.kind] == pl.String

    @property
    def keeps_digits(self) -> bool:
        """Whether a JSON number is read by its digits: a binary float would change an amount, or hide an exponent."""
        return self.kind in ("amount", "time")

    @property
    def column(self) -> str:
        """The name of the standardised column."""
        return "event_time" if self.kind == "time" else self.name


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A condition that rejects a standardised event.

    Attributes:
        code: reason code, as in the ledger and the rejects.
        field: name of the field that it checks.
        broken: Boolean expression over the standardised columns and `ingested_at`; true for an event that breaks the
            rule.
        requirement: the requirement, as in "user_id: must be given, got None".
    """

    code: str
    field: str
    broken: pl.Expr
    requirement: str


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """A column that is computed from others.

    Attributes:
        column: name of the column, which it replaces.
        value: expression over the columns as parsed, and `raw.NAME` (the text as sent; null for a missing
            value) of fields that are not text.
    """

    column: str
    value: pl.Expr


@dataclass(frozen=True, slots=True)
class TimeReading:
    """How timestamps are parsed, and which are accepted.

    Attributes:
        zone: IANA time zone of timestamps without an offset.
        formats: strptime formats, tried before the built-in ones (see `TimeFormat`).
        earliest: events before this instant are rejected.
        future: how far an event may lie after its ingestion; later events are rejected.

    Raises:
        ValueError: a format is invalid.
    """

    zone: str = "UTC"
    formats: tuple[str, ...] = ()
    earliest: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    future: timedelta = timedelta(days=1)

    def __post_init__(self) -> None:
        for text in self.formats:
            time_format(text)


@dataclass(frozen=True, slots=True)
class Feed:
    """Everything that the stages need to know about a feed.

    Attributes:
        name: `impressions`, `clicks` or `bids`; also the name of its table.
        topic: topic of its messages in the event log.
        description: one line.
        fields: in the order of the stored columns.
        rules: in the order of evaluation; the first broken rule gives the reason code.
        identity: columns that make up the event's identity, in hashing order; the event time is always one of them.
        computed: columns that standardisation computes, after all columns are parsed.
        derived: (name, dtype, comment) of stored columns that processing adds.
        wire: wire format of its messages.
        avro_schema: writer schema of our own Avro messages; None if the wire format is JSON.
        confluent_schemas: (schema id, writer schema) of Avro messages in Confluent framing.
        times: how its timestamps are parsed.
    """

    name: str
    topic: str
    description: str
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...]
    identity: tuple[str, ...]
    computed: tuple[Computed, ...] = ()
    derived: tuple[tuple[str, pl.DataType, str], ...] = ()
    wire: Wire = "json"
    avro_schema: dict[str, Any] | None = None
    confluent_schemas: tuple[tuple[int, dict[str, Any]], ...] = ()
    times: TimeReading = TimeReading()

    def field_named(self, name: str) -> Field | None:
        """The field with this canonical name or alias, or None."""
        return next((f for f in self.fields if name in f.names), None)

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The feed-specific columns of a stored event with their dtypes, in order."""
        own: dict[str, pl.DataType] = {f.column: DTYPES[f.kind] for f in self.fields if f.stored}
        return own | {name: dtype for name, dtype, _ in self.derived}

    @property
    def comments(self) -> dict[str, str]:
        """The description of each of `columns`."""
        own = {f.column: f.description for f in self.fields if f.stored}
        return own | {name: description for name, _, description in self.derived}

    @property
    def carried(self) -> dict[str, pl.Expr]:
        """Whether a message carries each column that is computed otherwise and not part of the identity.

        A computed value cannot conflict with a stored event. The expressions are over the columns of `Computed`.
        """
        names = [c.column for c in self.computed if c.column not in self.identity]
        raw = {f.column: f.name if f.is_text else f"raw.{f.name}" for f in self.fields}
        return {name: pl.col(raw[name]).is_not_null() for name in names}

    def with_aliases(self, aliases: dict[str, str]) -> "Feed":
        """Return this feed with further aliases, given as alias -> canonical field name."""
        fields = tuple(
            replace(f, aliases=f.aliases + tuple(a for a, target in aliases.items() if target == f.name))
            for f in self.fields
        )
        return replace(self, fields=fields)

    def identified_by(self, names: Sequence[str]) -> "Feed":
        """Return this feed with these fields and the event time as the identity.

        An event that has none of the fields is rejected: all such events of one instant would be one event.

        Args:
            names: canonical names of fields of the feed; the time may be left out.
        """
        fields = [f for f in self.fields if f.name in names and f.kind != "time"]
        absent = pl.all_horizontal(pl.col(f.column).is_null() for f in fields)
        others = " and ".join(f.name for f in fields[1:])
        verb = "are" if len(fields) > 2 else "is"
        condition = f" if {others} {verb} missing" if others else ""
        rule = Rule("missing_field", fields[0].name, absent, f"must be given{condition}: part of the identity")
        return replace(self, rules=(*self.rules, rule), identity=(*(f.column for f in fields), "event_time"))
