"""How messages that open transactions hold back are evaluated and shown: in warnings, and by `advertisex doctor`."""

from collections.abc import Mapping

from advertisex.logs.contract import HeldBack
from advertisex.model import Finding, Partition
from advertisex.times import time_of

#: An open transaction is a problem from this age on: the default of a producer's `transaction.timeout.ms`.
_AGE = 60 * 1_000_000
HINT = "end it: stop or repair its producer, or see `kafka-transactions find-hanging`"


def is_overdue(held: HeldBack, now: int) -> bool:
    """Whether a transaction is open for longer than a minute, or for an unknown time.

    Args:
        held: what it holds back.
        now: the current time, in microseconds since the epoch (UTC).
    """
    return held.since is None or now - held.since > _AGE


def since_text(held: HeldBack) -> str:
    """Since when a transaction holds back messages, for the user."""
    return "an unknown time" if held.since is None else f"{time_of(held.since):%Y-%m-%d %H:%M:%S} UTC"


def transaction_findings(held_back: Mapping[Partition, HeldBack], now: int) -> list[Finding]:
    """Return a finding if open transactions hold back messages; bad if one is overdue."""
    if not held_back:
        return []
    texts = [
        f"{partition.topic}/{partition.partition} at most {held.offsets:,} since {since_text(held)}"
        for partition, held in sorted(held_back.items())
    ]
    good = not any(is_overdue(held, now) for held in held_back.values())
    return [Finding("transactions", good, f"messages held back by an open transaction: {', '.join(texts)}", HINT)]
