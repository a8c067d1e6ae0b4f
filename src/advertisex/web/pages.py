"""The pages of the dashboard: each shows the answer that the API gives, drawn by the one renderer of `reporting`."""

from collections.abc import Callable, Iterable
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from advertisex.analysis.answer import Answer
from advertisex.errors import AdvertiseXError
from advertisex.questions.option import Parameter, parameters_of
from advertisex.questions.selection import Selection
from advertisex.reporting import plotly_script
from advertisex.reporting.ledger_document import ledger_dict
from advertisex.reporting.page import contents_of
from advertisex.reporting.rendering import rendered, text_of_template
from advertisex.web.access import Denial
from advertisex.web.answers import ASKED, Asked
from advertisex.web.api import tagged
from advertisex.web.problems import status_of, without_dashes
from advertisex.web.query import options_from
from advertisex.web.site import Site
from advertisex.web.visitors import visitor_of

_TEMPLATES = Path(__file__).parent / "templates"
_HTML = "text/html; charset=utf-8"

#: The filters stay when another page is opened.
_KEPT = frozenset(one.public_name for one in parameters_of(Selection))

#: Files of the pages: how to make them, and their media types. The names of those that never change have a version.
_FILES: dict[str, tuple[Callable[[], str], str]] = {
    "page.css": (partial(text_of_template, "page.css"), "text/css"),
    "page.js": (partial(text_of_template, "page.js"), "text/javascript"),
    "site.css": (lambda: (_TEMPLATES / "site.css").read_text(encoding="utf-8"), "text/css"),
    plotly_script.file_name(): (plotly_script.text, "text/javascript"),
}


def routes_of(site: Site) -> APIRouter:
    """The pages of a site."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)
    router.add_api_route("/", partial(_ledger, site), methods=["GET", "HEAD"])
    for name, asked in ASKED.items():
        router.add_api_route(f"/{name}", partial(_question, site, asked), methods=["GET", "HEAD"])
    router.add_api_route("/static/{name}", _file, methods=["GET", "HEAD"])
    return router


async def _file(request: Request, name: str) -> Response:
    if name not in _FILES:
        return Response(status_code=HTTPStatus.NOT_FOUND)
    response = tagged(request, _file_text(name), _FILES[name][1])
    if name == plotly_script.file_name():
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@cache
def _file_text(name: str) -> str:
    return _FILES[name][0]()


def _ledger(site: Site, request: Request) -> Response:
    """The first page: can the numbers be trusted?"""
    try:
        options_from(request.query_params.multi_items(), parameters_of(Selection))
        with site.store() as store:
            document = ledger_dict(store.ledger())
    except AdvertiseXError as error:
        return _failed(request, "", error, title="Overview")
    return _page(request, "overview.html.j2", "", title="Overview", ledger=document)


def _question(site: Site, asked: Asked, request: Request) -> Response:
    given = [(key, value) for key, value in request.query_params.multi_items() if value]  # of a form, all are sent
    form = {"form": _form(asked.parameters, given)}
    try:
        answer = asked.answer(site, given)
    except AdvertiseXError as error:
        return _failed(request, asked.name, error, title=asked.name.capitalize(), **form)
    links = _links(asked, given, answer)
    return _page(request, "question.html.j2", asked.name, **contents_of(answer), **form, **links)


def _links(asked: Asked, given: Iterable[tuple[str, str]], answer: Answer) -> dict[str, Any]:
    """The addresses of the same answer: to share, as JSON, and each table as CSV."""
    as_of = answer.scope.as_of
    shared = [pair for pair in given if pair[0] != "as_of"]
    if as_of is not None:
        shared.append(("as_of", as_of.isoformat() + "Z"))
    query = urlencode(shared)
    api = f"/api/v1/{asked.path}"
    return {
        "share": f"/{asked.name}?{query}",
        "json": f"{api}?{query}",
        "csv": {table.name: f"{api}/tables/{table.name}.csv?{query}" for table in answer.tables},
    }


def _form(parameters: Iterable[Parameter], given: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """The fields of the form: name, help, and the texts that were given."""
    texts: dict[str, list[str]] = {}
    for name, value in given:
        texts.setdefault(name, []).append(value)
    return [
        {
            "name": one.public_name,
            "help": without_dashes(one.option.help),
            "is_flag": one.type is bool,
            "is_list": "list" in str(one.type),
            "is_filter": one.public_name in _KEPT,
            "texts": texts.get(one.public_name, []),
            "default": one.value if isinstance(one.value, str | int) and not isinstance(one.value, bool) else "",
        }
        for one in parameters
    ]


def _failed(request: Request, name: str, error: AdvertiseXError, **values: Any) -> Response:
    what, hint = without_dashes(error.what), without_dashes(error.hint)
    text = _text(request, "failed.html.j2", name, what=what, where=error.where, hint=hint, **({"form": []} | values))
    return HTMLResponse(text, status_of(error), {"Cache-Control": "no-store"})


def denial_page(request: Request, denial: Denial) -> Response:
    """The page that shows why a request was not handled."""
    values = {"title": denial.status.phrase, "what": denial.what, "where": "", "hint": denial.hint, "form": []}
    return HTMLResponse(_text(request, "failed.html.j2", "", **values), denial.status, {"Cache-Control": "no-store"})


def login_page(request: Request, status: HTTPStatus, following: str, what: str) -> Response:
    """The page to log in; `following` is the address of the page after it, `what` says why one failed."""
    text = _text(request, "login.html.j2", "", title="Log in", following=following, what=what)
    return HTMLResponse(text, status, {"Cache-Control": "no-store"})


def _page(request: Request, template: str, current: str, **values: Any) -> Response:
    return tagged(request, _text(request, template, current, **values), _HTML)


def _text(request: Request, template: str, current: str, **values: Any) -> str:
    kept = [pair for pair in request.query_params.multi_items() if pair[0] in _KEPT and pair[1]]
    query = f"?{urlencode(kept)}" if kept else ""
    visitor = visitor_of(request)
    pages = [("", f"/{query}", "Overview"), *((name, f"/{name}{query}", name.capitalize()) for name in ASKED)]
    return rendered(
        template,
        _TEMPLATES,
        pages=pages if visitor.may else [],
        current=current,
        visitor=visitor,
        form_token=visitor.form_token,
        plotly=f"/static/{plotly_script.file_name()}",
        unwanted_styles=plotly_script.style_ids(),
        **values,
    )
