"""Slows down who tries tokens: counts failures by the address of the client, and in total."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from time import monotonic

from advertisex.limits import Limit

MOST_FAILURES = Limit(
    10,
    "wrong tokens",
    of="a client's address in a minute",
    beyond="it is answered with status 429 until the minute ends",
)
MOST_IN_TOTAL = Limit(
    200, "wrong tokens", of="all clients in a minute", beyond="further ones are answered with status 429"
)
_MOST_ADDRESSES = Limit(
    10_000, "addresses", of="clients whose wrong tokens are counted", beyond="the one seen first is forgotten"
)

_SECONDS = 60.0
_EVERYONE = ""


class Throttle:
    """Failures in the running minute. It begins with the first failure of an address.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def failed(self, address: str) -> int:
        """Count a failure; return the seconds that the client has to wait, 0 if it may try again now."""
        for key in (_EVERYONE, _network_of(address)):
            count, end = self._failures(key)
            self._seen[key] = (count + 1, end if count else self._clock() + _SECONDS)
        if len(self._seen) > _MOST_ADDRESSES:
            self._seen.move_to_end(_EVERYONE)
            self._seen.popitem(last=False)
        return max(self.waits(address), self._wait(_EVERYONE, MOST_IN_TOTAL))

    def waits(self, address: str) -> int:
        """Seconds until a client at this address may try again. What others do never blocks it."""
        return self._wait(_network_of(address), MOST_FAILURES)

    def _wait(self, key: str, most: int) -> int:
        count, end = self._failures(key)
        return ceil(end - self._clock()) if count > most else 0

    def _failures(self, key: str) -> tuple[int, float]:
        """The failures of the running minute, and its end."""
        count, end = self._seen.get(key, (0, 0.0))
        return (count, end) if end > self._clock() else (0, 0.0)


def _network_of(address: str) -> str:
    """The address, or of IPv6 the network of 64 bits, of which a client may have every address."""
    try:
        found = ip_address(address)
    except ValueError:  # of a Unix socket, or what a proxy says
        return address or "?"
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found, 64), strict=False))
    return address
