"""The contract of a message format, so that the same faults can be injected into every feed."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from advertisex.simulator.rows import Rows

Fields = dict[str, Any]

#: Above processing's message size limit of 1 MiB.
OVERSIZED_BYTES = 1_100_000


class Event(NamedTuple):
    """One row of traffic as Python values; same fields as `rows.ROW`."""

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
    """The field names, in one format, that faults are injected into.

    Attributes:
        required: fields that must be present and not empty.
        ids: identifier fields, which must not contain control characters.
        amount: the money field; "" if the feed has none.
        changeable: a field outside the identity that every event has, and a conflict with another value; "" if none.
    """

    required: tuple[str, ...]
    ids: tuple[str, ...]
    amount: str = ""
    changeable: str = ""


class Format(Protocol):
    """Encodes one feed's events as messages.

    `noise` is a pseudo-random number derived from the event; it selects one variant of a fault.
    """

    targets: FaultTargets

    def good(self, rows: Rows) -> list[bytes]:
        """Encode rows without faults, vectorised."""
        ...

    def fields(self, event: Event) -> Fields:
        """The fields of one event, ready to be modified and encoded."""
        ...

    def encode(self, fields: Fields) -> bytes:
        """Encode fields without checking their values; unmodified fields give the same bytes as `good`."""
        ...

    def reformatted(self, fields: Fields, noise: int) -> bytes:
        """The same event, encoded as different bytes."""
        ...

    def mistyped(self, fields: Fields, noise: int) -> bytes:
        """A message in which one field has a value of the wrong type."""
        ...

    def undecodable(self, fields: Fields, noise: int) -> bytes:
        """A message that cannot be decoded."""
        ...

    def oversized(self, fields: Fields) -> bytes:
        """A message larger than 1 MiB, otherwise valid."""
        ...
