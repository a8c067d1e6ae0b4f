"""Draws the templates of the pages, with what all of them show."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from advertisex.errors import AdvertiseXError
from advertisex.questions.option import Parameter
from advertisex.reporting import plotly_script
from advertisex.reporting.rendering import rendered
from advertisex.web.access import Denial
from advertisex.web.navigation import links_from
from advertisex.web.problems import status_of, without_dashes
from advertisex.web.responses import tagged
from advertisex.web.site import Site
from advertisex.web.sorting import SORT
from advertisex.web.visitors import visitor_of

TEMPLATES = Path(__file__).parent / "templates"
_HTML = "text/html; charset=utf-8"
#: Pages that a browser keeps up to date, unless their address says as of when they are.
_LIVE = frozenset({"question.html.j2", "reading.html.j2", "campaign.html.j2"})
#: The values of a flag, and of one that may also be absent, with their texts.
_FLAG = (("", "no"), ("true", "yes"))
_OPTIONAL_FLAG = (("", "any"), ("true", "yes"), ("false", "no"))


def given_in(request: Request) -> list[tuple[str, str]]:
    """The options of a request, without the order of tables; a form sends empty ones, too."""
    return [(name, value) for name, value in request.query_params.multi_items() if value and name != SORT]


def page(site: Site, request: Request, template: str, current: str, **values: Any) -> Response:
    """Draw a page; `current` is its name."""
    return tagged(request, _text(site, request, template, current, **values), _HTML)


def failed(site: Site, request: Request, current: str, error: AdvertiseXError, **values: Any) -> Response:
    """Draw what a page shows in place of its content when it cannot be read."""
    what, hint = without_dashes(error.what), without_dashes(error.hint)
    text = _text(
        site, request, "failed.html.j2", current, what=what, where=error.where, hint=hint, **({"form": []} | values)
    )
    return HTMLResponse(text, status_of(error), {"Cache-Control": "no-store"})


def denial_page(site: Site, request: Request, denial: Denial) -> Response:
    """Draw why a request was not handled."""
    values = {"title": denial.status.phrase, "what": denial.what, "where": "", "hint": denial.hint, "form": []}
    text = _text(site, request, "failed.html.j2", "", **values)
    return HTMLResponse(text, denial.status, {"Cache-Control": "no-store"})


def login_page(site: Site, request: Request, status: HTTPStatus, following: str, what: str) -> Response:
    """Draw the page to log in; `following` is the address of the page after it, `what` says why one failed."""
    text = _text(site, request, "login.html.j2", "", title="Log in", following=following, what=what)
    return HTMLResponse(text, status, {"Cache-Control": "no-store"})


def question_form(
    parameters: Iterable[Parameter], given: Iterable[tuple[str, str]], filters: Sequence[str]
) -> list[dict[str, Any]]:
    """The fields of a form, with the texts that were given; those of `filters` are in a part of their own."""
    texts: dict[str, list[str]] = {}
    for name, value in given:
        texts.setdefault(name, []).append(value)
    return [
        {
            "name": one.public_name,
            "help": without_dashes(one.option.help),
            "choices": _FLAG if one.type is bool else _OPTIONAL_FLAG if one.type == bool | None else (),
            "is_list": "list" in str(one.type),
            "is_filter": one.public_name in filters,
            "texts": texts.get(one.public_name, []),
            "default": one.value if isinstance(one.value, str | int) and not isinstance(one.value, bool) else "",
        }
        for one in parameters
    ]


def _text(site: Site, request: Request, template: str, current: str, **values: Any) -> str:
    visitor = visitor_of(request)
    return rendered(
        template,
        TEMPLATES,
        pages=links_from(site, current, request.query_params.multi_items()) if visitor.may else None,
        current=current,
        visitor=visitor,
        form_token=visitor.form_token,
        is_live=template in _LIVE and not request.query_params.get("as_of"),
        plotly=f"/static/{plotly_script.file_name()}",
        unwanted_styles=plotly_script.style_ids(),
        **values,
    )
