"""Sessions of browsers that have logged in with a token. They are in memory, and end with the server."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from secrets import token_urlsafe
from time import monotonic

from advertisex.limits import Limit
from advertisex.settings.web import TokenSettings

#: Seconds after which a session ends, used or not.
LASTS = 12 * 3_600

_MOST_SESSIONS = Limit(100, "sessions", of="one token of the dashboard", beyond="the oldest one ends")


class Sessions:
    """The open sessions of each token, so that no token can end those of another.

    The key of a session is a hash of its id: how long a look-up takes says nothing about the ids.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._open: dict[str, OrderedDict[bytes, float]] = {}
        self._holders: dict[bytes, TokenSettings] = {}

    def begin(self, holder: TokenSettings) -> str:
        """Open a session for the holder of a token; return its id, which is always a new one."""
        session = token_urlsafe(32)
        of_token = self._open.setdefault(holder.name, OrderedDict())
        if len(of_token) >= _MOST_SESSIONS:
            self._holders.pop(of_token.popitem(last=False)[0], None)
        of_token[_key(session)] = self._clock() + LASTS
        self._holders[_key(session)] = holder
        return session

    def holder(self, session: str) -> TokenSettings | None:
        """Return the holder of the token of a session; None if it is not open."""
        found = self._holders.get(_key(session))
        if found is not None and self._open[found.name][_key(session)] <= self._clock():
            self.end(session)
            return None
        return found

    def end(self, session: str) -> None:
        """Close a session, if it is open."""
        found = self._holders.pop(_key(session), None)
        if found is not None:
            del self._open[found.name][_key(session)]


def _key(session: str) -> bytes:
    return sha256(session.encode(errors="replace")).digest()
