"""Who sends a request: found by a token in its header, or by the session of a browser that has logged in with one."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from secrets import token_bytes
from typing import Any, get_args

from fastapi import Request
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from advertisex.settings.web import Role, TokenSettings
from advertisex.web.roles import GRANTED
from advertisex.web.sessions import LASTS, Sessions
from advertisex.web.throttle import Throttle
from advertisex.web.tokens import holder_of

_KEY = "advertisex.visitor"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sends a request.

    Attributes:
        name: name of the token; empty without one.
        role: the role of the token, `local` if no tokens are configured, or `nobody`.
        may: what the visitor may do.
        form_token: the text that forms of the visitor carry, see `forms`.
        session: id of the browser's session; empty without one.
        has_token: whether the request itself has the token, which no page of another site can send.
    """

    name: str = ""
    role: str = "nobody"
    may: frozenset[Role] = frozenset()
    form_token: str = ""
    session: str = ""
    has_token: bool = False


class WrongToken(Exception):
    """A token is wrong, or the client has sent too many wrong ones.

    Args:
        wait: seconds until the client may try again; 0 for now.
    """

    def __init__(self, wait: int) -> None:
        super().__init__("the token is wrong")
        self.wait = wait


class Visitors:
    """Finds who sends a request, and keeps the sessions.

    Args:
        tokens: the tokens of the settings; without any, everyone may do everything.
    """

    def __init__(self, tokens: Iterable[TokenSettings]) -> None:
        self._tokens = tuple(tokens)
        self._sessions, self._throttle = Sessions(), Throttle()
        self._key = token_bytes(32)
        #: A visitor without a session. Who reaches a server without tokens, which listens on the loopback interface.
        self.nobody = Visitor(form_token=self._form_token(""))
        self._local = replace(self.nobody, role="local", may=frozenset(get_args(Role)))

    @property
    def need_tokens(self) -> bool:
        """Whether tokens are configured."""
        return bool(self._tokens)

    def find(self, scope: Scope) -> Visitor:
        """Return who sends a request; `visitor_of` gives it from then on.

        Raises:
            WrongToken: the request has a token that is wrong.
        """
        scope[_KEY] = self.nobody
        scope[_KEY] = self._found(HTTPConnection(scope)) if self._tokens else self._local
        found: Visitor = scope[_KEY]
        return found

    def admit(self, token: str, connection: HTTPConnection) -> TokenSettings:
        """Return the holder of a token that a client sends.

        Raises:
            WrongToken: it is wrong, or this client has sent too many wrong ones before.
        """
        address = connection.client.host if connection.client else ""
        if wait := self._throttle.waits(address):
            raise WrongToken(wait)
        holder = holder_of(token, self._tokens)
        if holder is None:
            raise WrongToken(self._throttle.failed(address))
        return holder

    def log_in(self, holder: TokenSettings, request: Request, response: Response) -> None:
        """Open a session for a browser; one that it has had ends."""
        self._sessions.end(visitor_of(request).session)
        self._set_cookie(request, response, self._sessions.begin(holder), LASTS)

    def log_out(self, request: Request, response: Response) -> None:
        """End the session of a browser."""
        self._sessions.end(visitor_of(request).session)
        self._set_cookie(request, response, "", 0)

    def _form_token(self, session: str) -> str:
        return hmac.new(self._key, session.encode(), sha256).hexdigest()

    def _found(self, connection: HTTPConnection) -> Visitor:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            holder = self.admit(token.strip(), connection)
            return Visitor(holder.name, holder.role, GRANTED[holder.role], has_token=True)
        session = connection.cookies.get(_cookie(connection), "")
        of_session = self._sessions.holder(session)
        if of_session is None:
            return self.nobody
        may, form_token = GRANTED[of_session.role], self._form_token(session)
        return Visitor(of_session.name, of_session.role, may, form_token, session)

    def _set_cookie(self, request: Request, response: Response, session: str, seconds: int) -> None:
        is_secure = request.scope["scheme"] == "https"
        response.set_cookie(
            _cookie(request), session, max_age=seconds, path="/", secure=is_secure, httponly=True, samesite="strict"
        )


def visitor_of(request: HTTPConnection) -> Visitor:
    """Who sends a request that has passed `Access`."""
    found: Any = request.scope[_KEY]
    assert isinstance(found, Visitor)
    return found


def role_of(scope: Scope) -> str:
    """The role of who sends a request, also of one that was rejected before."""
    found: Visitor = scope.get(_KEY, Visitor())
    return found.role


def _cookie(connection: HTTPConnection) -> str:
    """The name of the cookie, with our port: browsers send a cookie to all ports of a host.

    With the prefix, they take it from this host and over TLS only.
    """
    _, port = connection.scope.get("server") or ("", None)
    name = f"advertisex-{port or 0}"
    return f"__Host-{name}" if connection.scope["scheme"] == "https" else name
