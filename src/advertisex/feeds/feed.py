"""What a feed is: its fields, its rules and its identity, as frozen data."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import polars as pl

FieldKind = Literal["text", "time", "count", "amount"]

#: The dtype a field has once it is standardised. Times are UTC in microseconds.
DTYPES: dict[FieldKind, pl.DataType] = {
    "text": pl.String(),
    "time": pl.Datetime("us"),
    "count": pl.Int64(),
    "amount": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event.

    Attributes:
        name: the canonical name, also the column's name once standardised ("timestamp" becomes "event_time").
        kind: text, time, count (whole number) or amount (decimal number).
        says: one line for people; it becomes the comment on the stored column.
        required: an event without it is rejected.
        aliases: other names under which sources send it; the canonical name wins, then their order.
        is_id: an identifier, so it may hold no control character.
        stored: whether it becomes a column of the stored event.
    """

    name: str
    kind: FieldKind
    says: str
    required: bool = False
    aliases: tuple[str, ...] = ()
    is_id: bool = False
    stored: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The canonical name and the aliases, in the order in which they are looked for."""
        return (self.name, *self.aliases)

    @property
    def column(self) -> str:
        """The name of the standardised column."""
        return "event_time" if self.kind == "time" else self.name


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One reason for which a standardised event is rejected.

    Attributes:
        code: the reason code, as in the ledger and the rejects.
        field: the field it judges.
        broken: Boolean expression over the standardised columns, true where the event breaks the rule.
        says: what is expected, as in "user_id: must be given, got None".
    """

    code: str
    field: str
    broken: pl.Expr
    says: str


@dataclass(frozen=True, slots=True)
class TimeReading:
    """How timestamps are read, and which are believed.

    Attributes:
        zone: IANA name of the zone that a timestamp without an offset is in.
        formats: extra strptime formats, tried after the built-in ones.
        earliest: an event before this moment is rejected.
        future: an event later than its ingestion by more than this is rejected.
    """

    zone: str = "UTC"
    formats: tuple[str, ...] = ()
    earliest: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    future: timedelta = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Feed:
    """Everything that the stages need to know of a feed.

    Attributes:
        name: `impressions`, `clicks` or `bids`; also the name of its table.
        topic: where its messages are in the event log.
        says: one line for people.
        fields: in the order of the stored columns.
        rules: in the order in which they are tried; the first that is broken is the reason.
        identity: columns whose content is the event's identity, in the order in which they are hashed.
        derived: stored columns that no message carries, with dtype and comment.
        avro_schema: the writer schema of its own binary messages, or None where it has none.
        confluent_schemas: (schema id, writer schema) of other binary messages that it reads.
        times: how its timestamps are read.
    """

    name: str
    topic: str
    says: str
    fields: tuple[Field, ...]
    rules: tuple[Rule, ...]
    identity: tuple[str, ...]
    derived: tuple[tuple[str, pl.DataType, str], ...] = ()
    avro_schema: dict[str, Any] | None = None
    confluent_schemas: tuple[tuple[int, dict[str, Any]], ...] = ()
    times: TimeReading = TimeReading()

    def field_named(self, name: str) -> Field | None:
        """The field with this canonical name or alias, or None."""
        return next((f for f in self.fields if name in f.names), None)

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Columns of a stored event that depend on the feed, with their dtypes, in order."""
        own: dict[str, pl.DataType] = {f.column: DTYPES[f.kind] for f in self.fields if f.stored}
        return own | {name: dtype for name, dtype, _ in self.derived}

    @property
    def comments(self) -> dict[str, str]:
        """For each of `columns`, its line for people."""
        own = {f.column: f.says for f in self.fields if f.stored}
        return own | {name: says for name, _, says in self.derived}

    def with_aliases(self, aliases: dict[str, str]) -> "Feed":
        """This feed, also reading each key of `aliases` as the canonical field it maps to."""
        fields = tuple(
            replace(f, aliases=f.aliases + tuple(a for a, target in aliases.items() if target == f.name))
            for f in self.fields
        )
        return replace(self, fields=fields)

    def identified_by(self, id_field: str) -> "Feed":
        """This feed with a source's own id for identity: events are the same where it and the event time are.

        The id may be a field of the feed; else it is read beside its fields, and not stored.
        """
        known = self.field_named(id_field)
        own = known or Field(id_field, "text", "the source's own id", required=True, is_id=True, stored=False)
        column = pl.col(own.column)
        rule = Rule("missing_field", own.name, column.is_null() | (column == ""), "must be given: it is the identity")
        return replace(
            self,
            fields=self.fields if known else (*self.fields, own),
            rules=(rule, *self.rules),
            identity=(own.name, "event_time"),
        )
