"""Lets in who may: checks each request before a route sees it, so that no route can forget it. See `roles`."""

from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from advertisex.settings.web import Role
from advertisex.web.forms import form_of, is_form, is_ours, read_form
from advertisex.web.problems import problem
from advertisex.web.roles import COLLECTOR, SAFE, is_api, is_upload, needed
from advertisex.web.uploads import MOST_AT_ONCE
from advertisex.web.visitors import Visitor, Visitors, WrongToken, visitor_of

_MAKE_ONE = "send a token of `advertisex token` in the header Authorization: Bearer …"


class Denial(NamedTuple):
    """Why a request is not handled."""

    status: HTTPStatus
    what: str
    hint: str = ""
    headers: tuple[tuple[str, str], ...] = ()


#: Makes the page that shows a denial.
DenialPage = Callable[[Request, Denial], Response]


class Access:
    """ASGI middleware.

    Args:
        app: the application.
        visitors: knows the tokens and the sessions.
        page: shows a browser why a request is not handled.
        public: paths that need no token.
    """

    def __init__(self, app: ASGIApp, visitors: Visitors, page: DenialPage, public: Collection[str] = ()) -> None:
        self._app, self._visitors, self._page, self._public = app, visitors, page, public
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request if its sender may make it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        response = self._objection(request)
        if response is not None or request.method in SAFE or not is_upload(scope["path"]):
            await self._handle(request, response, receive, send)
            return
        if self._uploads >= MOST_AT_ONCE:
            response = self._denied(request, _too_many_uploads())
        self._uploads += 1
        try:
            await self._handle(request, response, receive, send)
        finally:
            self._uploads -= 1

    async def _handle(self, request: Request, response: Response | None, receive: Receive, send: Send) -> None:
        """Send the response of a request that is not handled; handle another one, once its form has been read."""
        scope = request.scope
        if response is None and _has_form(request):
            try:
                receive = await read_form(scope, receive)
                response = self._objection_to_form(request)
            except HTTPException as error:
                denial = Denial(
                    HTTPStatus(error.status_code), error.detail, headers=tuple((error.headers or {}).items())
                )
                response = self._denied(request, denial)
        try:
            await (self._app if response is None else response)(scope, receive, send)
        finally:
            await form_of(request).close()

    def _objection(self, request: Request) -> Response | None:
        """The response to a request that its sender may not make; else None."""
        path = request.scope["path"]
        role = None if path in self._public else needed(request.method, path)
        try:
            visitor = self._visitors.find(request.scope)
        except WrongToken as wrong:
            return None if role is None else self._denied(request, denial_of(wrong))
        if role is None or role in visitor.may:
            return None
        if visitor.name:
            return self._denied(request, _lacks(visitor, role))
        if is_api(path):
            return self._denied(request, Denial(HTTPStatus.UNAUTHORIZED, "a token is needed", _MAKE_ONE))
        return RedirectResponse(_login(request), HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})

    def _objection_to_form(self, request: Request) -> Response | None:
        """The response to a form of another site's page; else None."""
        visitor = visitor_of(request)
        expected = [visitor.form_token]
        if request.scope["path"] == "/login":  # its page may be open since before a log-in
            expected.append(self._visitors.nobody.form_token)
        if visitor.has_token or any(is_ours(form_of(request), one) for one in expected):
            return None
        what, hint = "the form is not one of an open page", "open its page again, or send JSON, or a token"
        return self._denied(request, Denial(HTTPStatus.FORBIDDEN, what, hint))

    def _denied(self, request: Request, denial: Denial) -> Response:
        if is_api(request.scope["path"]) or visitor_of(request).has_token or "authorization" in request.headers:
            response = problem(denial.status, denial.what, hint=denial.hint)
            if denial.status == HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = 'Bearer realm="advertisex"'
        else:
            response = self._page(request, denial)
        response.headers.update({"Cache-Control": "no-store"} | dict(denial.headers))
        return response


def denial_of(wrong: WrongToken) -> Denial:
    """Say that a token is wrong, or that there were too many."""
    if not wrong.wait:
        return Denial(HTTPStatus.UNAUTHORIZED, "the token is wrong", "make one with `advertisex token`")
    hint = f"try again in {wrong.wait} s, or from another address"
    return Denial(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens", hint, (("Retry-After", str(wrong.wait)),))


def _too_many_uploads() -> Denial:
    what = f"more than {MOST_AT_ONCE} files are being uploaded"
    return Denial(HTTPStatus.TOO_MANY_REQUESTS, what, "try again in a moment", (("Retry-After", "5"),))


def _lacks(visitor: Visitor, role: Role) -> Denial:
    what = f"this needs the role {role}; the token {visitor.name!r} has the role {visitor.role}"
    challenge = f'Bearer realm="advertisex", error="insufficient_scope", scope="{role}"'
    return Denial(HTTPStatus.FORBIDDEN, what, headers=(("WWW-Authenticate", challenge),))


def _has_form(request: Request) -> bool:
    return request.method == "POST" and not request.scope["path"].startswith(COLLECTOR) and is_form(request)


def _login(request: Request) -> str:
    """The address of the log-in page, which leads back to a page that was asked for."""
    if request.method not in SAFE:
        return "/login"
    path = request.scope["raw_path"].decode("ascii", "replace")
    query = request.scope["query_string"].decode("ascii", "replace")
    return "/login?" + urlencode({"next": f"{path}?{query}" if query else path})
