"""Settings of a simulation: how many messages, which seed, which faults."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

from advertisex.errors import ConfigurationError

#: Default start of the traffic. Fixed, so that a seed gives the same bytes on any day.
DEFAULT_START = datetime(2026, 1, 5, tzinfo=UTC)

#: Well within the range that the feeds' timestamp rules accept.
_EARLIEST_START = datetime(2001, 1, 1, tzinfo=UTC)
_FEWEST_USERS = 20
_MOST_USERS = 10_000_000
_MESSAGES_PER_USER = 25


@dataclass(frozen=True, slots=True)
class FaultRates:
    """For each kind of fault, the fraction of a feed's messages that have it.

    Every name but the last three is the reason code under which processing rejects or filters the message. A rate
    applies only to feeds and formats that can express the fault. `oversized` occurs at most once per feed,
    whatever its rate.

    Attributes:
        duplicate: fraction of good events that are sent twice.
        conflict: fraction of these duplicates that differ from the event in a field outside its identity; impressions
            have none that every event carries.
        late: fraction of messages that arrive minutes to hours after the event.
    """

    undecodable: float = 0.003
    empty_message: float = 0.002
    oversized: float = 0.0002
    not_an_object: float = 0.002
    missing_field: float = 0.003
    wrong_type: float = 0.002
    bad_timestamp: float = 0.003
    timestamp_out_of_range: float = 0.002
    bad_website: float = 0.002
    placeholder_user_id: float = 0.003
    control_character: float = 0.002
    negative_count: float = 0.002
    bad_amount: float = 0.002
    negative_user_id: float = 0.004
    blocked_user: float = 0.003
    blocked_site: float = 0.003
    duplicate: float = 0.01
    conflict: float = 0.1
    late: float = 0.01

    def __post_init__(self) -> None:
        rates = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, rate in rates.items():
            if not 0 <= rate <= 1:
                raise ConfigurationError(f"invalid rate of {name}: {rate}", hint="set it to between 0 and 1")
        faults = sum(rate for name, rate in rates.items() if name not in ("duplicate", "conflict", "late"))
        if faults > 1:
            raise ConfigurationError(
                f"the fault rates add up to {faults:g}", hint="lower them so that they add up to at most 1"
            )

    @classmethod
    def none(cls) -> "FaultRates":
        """Clean traffic: no faults, no duplicates, nothing late."""
        return cls(**{f.name: 0.0 for f in fields(cls)})


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """What to simulate. Equal settings give equal bytes.

    Attributes:
        events: exact number of messages over all feeds, faults and duplicates included.
        seed: seed of the random numbers.
        start: start of the traffic; a naive time is UTC. Defaults to `DEFAULT_START`.
        duration: the event time that the messages cover.
        users: number of users; defaults to one per 25 messages.
        faults: rates of the faults.
    """

    events: int = 100_000
    seed: int = 1
    start: datetime | None = None
    duration: timedelta = timedelta(days=7)
    users: int | None = None
    faults: FaultRates = field(default_factory=FaultRates)

    def __post_init__(self) -> None:
        if self.events < 0:
            raise ConfigurationError(f"invalid number of events: {self.events}", hint="set --events to 0 or more")
        if self.seed < 0:
            raise ConfigurationError(f"invalid seed: {self.seed}", hint="use an integer of 0 or more")
        if self.duration < timedelta(minutes=1):
            raise ConfigurationError(f"the duration {self.duration} is too short", hint="use at least one minute")
        if self.users is not None and not 1 <= self.users <= _MOST_USERS:
            raise ConfigurationError(f"invalid number of users: {self.users}", hint="use 1 to 10,000,000")
        if self.start is not None and self.start.replace(tzinfo=UTC) < _EARLIEST_START:
            raise ConfigurationError(f"the start {self.start.date()} is too early", hint="use 2001-01-01 or later")

    @property
    def start_micros(self) -> int:
        """The start, in microseconds since the epoch."""
        start = self.start or DEFAULT_START
        aware = start if start.tzinfo else start.replace(tzinfo=UTC)
        return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    @property
    def duration_micros(self) -> int:
        """The duration, in microseconds."""
        return self.duration // timedelta(microseconds=1)

    @property
    def user_count(self) -> int:
        """The number of users, with the default applied."""
        return self.users or min(_MOST_USERS, max(_FEWEST_USERS, self.events // _MESSAGES_PER_USER))
