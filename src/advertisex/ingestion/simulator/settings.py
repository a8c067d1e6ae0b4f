"""What a simulation is asked for: how many messages, from which seed, with which faults."""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta

from advertisex.errors import ConfigurationError

#: When the traffic starts unless told otherwise. It is fixed, so that a seed means the same bytes on any day.
DEFAULT_START = datetime(2026, 1, 5, tzinfo=UTC)

#: Safely within what the feeds' rules believe.
_EARLIEST_START = datetime(2001, 1, 1, tzinfo=UTC)
_FEWEST_USERS = 20
_MOST_USERS = 10_000_000
_MESSAGES_PER_USER = 25


@dataclass(frozen=True, slots=True)
class FaultRates:
    """For each kind of fault, the share of a feed's messages that have it.

    Every name but the last two is the reason code under which processing refuses the message. A rate counts
    only in those feeds and formats that can express the fault. `oversized` comes once per feed at most,
    whatever its rate.

    Attributes:
        duplicate: the share of good events that are sent once more.
        late: the share of messages that arrive minutes to hours after the event.
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
    late: float = 0.01

    def __post_init__(self) -> None:
        rates = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, rate in rates.items():
            if not 0 <= rate <= 1:
                raise ConfigurationError(f"the rate of {name} is {rate}", hint="give a share between 0 and 1")
        faults = sum(rate for name, rate in rates.items() if name not in ("duplicate", "late"))
        if faults > 1:
            raise ConfigurationError(
                f"the rates of all faults add up to {faults:g}", hint="let them add up to 1 at most"
            )

    @classmethod
    def none(cls) -> "FaultRates":
        """Clean traffic: no fault, no duplicate, nothing late."""
        return cls(**{f.name: 0.0 for f in fields(cls)})


@dataclass(frozen=True, slots=True)
class SimulationSettings:
    """What to simulate. Equal settings give equal bytes.

    Attributes:
        events: messages over all feeds, faults and duplicates included, exactly.
        seed: of the random numbers.
        start: when the traffic starts; a time without a zone is UTC. None is `DEFAULT_START`.
        duration: how much event time the messages spread over.
        users: how many users there are; None is one for every 25 messages.
        faults: what goes wrong, and how often.
    """

    events: int = 100_000
    seed: int = 1
    start: datetime | None = None
    duration: timedelta = timedelta(days=7)
    users: int | None = None
    faults: FaultRates = field(default_factory=FaultRates)

    def __post_init__(self) -> None:
        if self.events < 0:
            raise ConfigurationError(f"cannot simulate {self.events} events", hint="ask for 0 or more with --events")
        if self.seed < 0:
            raise ConfigurationError(f"the seed is {self.seed}", hint="give a whole number from 0 up")
        if self.duration < timedelta(minutes=1):
            raise ConfigurationError(f"the simulated duration is {self.duration}", hint="let it be a minute or more")
        if self.users is not None and not 1 <= self.users <= _MOST_USERS:
            raise ConfigurationError(f"cannot simulate {self.users} users", hint="ask for 1 to 10,000,000")

        if self.start is not None and self.start.replace(tzinfo=UTC) < _EARLIEST_START:
            raise ConfigurationError(
                f"the simulated traffic starts in {self.start.year}", hint="let it start in 2001 or later"
            )

    @property
    def start_micros(self) -> int:
        """The start, in microseconds since the epoch."""
        start = self.start or DEFAULT_START
        aware = start if start.tzinfo else start.replace(tzinfo=UTC)
        return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    @property
    def duration_micros(self) -> int:
        """The duration in microseconds."""
        return self.duration // timedelta(microseconds=1)

    @property
    def user_count(self) -> int:
        """How many users there are."""
        return self.users or min(_MOST_USERS, max(_FEWEST_USERS, self.events // _MESSAGES_PER_USER))
