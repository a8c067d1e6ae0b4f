"""What a message format must be able to do, so that the same faults can be put into every feed."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from advertisex.ingestion.simulator.rows import Rows

Fields = dict[str, Any]

#: Past the limit of 1 MiB that processing has for a message.
OVERSIZED_BYTES = 1_100_000


class Event(NamedTuple):
    """One row of traffic as Python values; the fields are those of `rows.ROW`."""

    time: int
    arrival: int
    serial: int
    amount: float
    user: int
    website: int
    creative: int
    action: int
    kind: int


@dataclass(frozen=True, slots=True)
class FaultTargets:
    """The names, in one format, of the fields that faults aim at.

    Attributes:
        required: must be there and not empty.
        ids: identifiers, which may hold no control character.
        amount: a sum of money, or "" where there is none.
    """

    required: tuple[str, ...]
    ids: tuple[str, ...]
    amount: str = ""


class Format(Protocol):
    """How one feed's messages are written."""

    shape: FaultTargets

    def good(self, rows: Rows) -> list[bytes]:
        """The messages of faultless rows; fast."""
        ...

    def fields(self, event: Event) -> Fields:
        """The fields of one event, to be changed and encoded."""
        ...

    def encode(self, fields: Fields) -> bytes:
        """A message of these fields, whatever they hold; for those of a faultless event, as `good` does."""
        ...

    def respelled(self, fields: Fields, noise: int) -> bytes:
        """The same event in other bytes."""
        ...

    def mistyped(self, fields: Fields, noise: int) -> bytes:
        """A message with a value of a type that the field cannot have."""
        ...

    def undecodable(self, fields: Fields, noise: int) -> bytes:
        """A message that cannot be decoded at all."""
        ...

    def oversized(self, fields: Fields) -> bytes:
        """A message of more than 1 MiB, faultless otherwise."""
        ...
