"""The pages to log in with a token, and to log out."""

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from advertisex.web.access import denial_of
from advertisex.web.forms import form_of
from advertisex.web.visitors import Visitors, WrongToken

#: A path of this server. Browsers read `//host` and `/\host` as an address elsewhere, and drop blanks in it.
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]*", re.ASCII)

#: Draws the page; it takes the request, the status, where to go next, and what has failed.
LoginPage = Callable[[Request, HTTPStatus, str, str], Response]


def routes_of(visitors: Visitors, page: LoginPage) -> APIRouter:
    """The routes `/login` and `/logout`."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)
    router.add_api_route("/login", partial(_show, visitors, page), methods=["GET", "HEAD"])
    router.add_api_route("/login", partial(_log_in, visitors, page), methods=["POST"])
    router.add_api_route("/logout", partial(_log_out, visitors), methods=["POST"])
    return router


async def _show(visitors: Visitors, page: LoginPage, request: Request) -> Response:
    following = _local(request.query_params.get("next", ""))
    if not visitors.need_tokens:
        return RedirectResponse(following, HTTPStatus.SEE_OTHER)
    return page(request, HTTPStatus.OK, following, "")


async def _log_in(visitors: Visitors, page: LoginPage, request: Request) -> Response:
    following = _local(str(form_of(request).get("next", "")))
    try:
        holder = visitors.admit(str(form_of(request).get("token", "")).strip(), request)
    except WrongToken as wrong:
        denial = denial_of(wrong)
        response = page(request, denial.status, following, f"{denial.what}; {denial.hint}")
        response.headers.update(dict(denial.headers))
        return response
    if holder.role == "ingest":
        what = "a token with the role ingest opens no page; log in with one of a viewer or an operator"
        return page(request, HTTPStatus.FORBIDDEN, following, what)
    response = RedirectResponse(following, HTTPStatus.SEE_OTHER, {"Cache-Control": "no-store"})
    visitors.log_in(holder, request, response)
    return response


async def _log_out(visitors: Visitors, request: Request) -> Response:
    response = RedirectResponse("/login" if visitors.need_tokens else "/", HTTPStatus.SEE_OTHER)
    visitors.log_out(request, response)
    return response


def _local(address: str) -> str:
    """The address if it is one of this server, else that of the first page."""
    return address if _LOCAL.fullmatch(address) else "/"
