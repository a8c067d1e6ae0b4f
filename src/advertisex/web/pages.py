"""The pages of the dashboard: each shows the answer that the API gives, drawn by the one renderer of `reporting`."""

from collections.abc import AsyncIterator, Callable
from functools import cache, partial
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import UploadFile

from advertisex.errors import AdvertiseXError, ConfigurationError
from advertisex.questions.option import parameters_of
from advertisex.questions.selection import Selection
from advertisex.reporting import plotly_script
from advertisex.reporting.rendering import text_of_template
from advertisex.web import repairing
from advertisex.web.answers import ASKED, Asked, pinned
from advertisex.web.campaign import CAMPAIGN, campaign_page
from advertisex.web.drawing import TEMPLATES, failed, given_in, page, question_form
from advertisex.web.drawn_answer import drawn_answer
from advertisex.web.forms import form_of
from advertisex.web.navigation import OVERVIEW, READING_PAGES
from advertisex.web.reading_pages import message_page, reading_page, reject_page
from advertisex.web.reconcile import to_keep
from advertisex.web.responses import tagged
from advertisex.web.roles import UPLOAD
from advertisex.web.site import Site
from advertisex.web.sorting import Order
from advertisex.web.uploads import LARGEST_UPLOAD, TooLarge

_PART_BYTES = 1 << 20
_FILTERS = [one.public_name for one in parameters_of(Selection)]


def _own_file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


#: Files of the pages: how to make them, and their media types. The names of those that never change have a version.
_FILES: dict[str, tuple[Callable[[], str], str]] = {
    "page.css": (partial(text_of_template, "page.css"), "text/css"),
    "page.js": (partial(text_of_template, "page.js"), "text/javascript"),
    "site.css": (partial(_own_file, "site.css"), "text/css"),
    "live.js": (partial(_own_file, "live.js"), "text/javascript"),
    plotly_script.file_name(): (plotly_script.text, "text/javascript"),
}


def routes_of(site: Site) -> APIRouter:
    """The pages of a site."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)
    pages: dict[str, Callable[..., Response]] = {"": partial(_question, site, ASKED["overview"])}
    pages |= {name: partial(_question, site, asked) for name, asked in ASKED.items()}
    pages["reconcile"] = partial(_reconcile, site)
    pages |= {name: partial(reading_page, site, name) for name in READING_PAGES}
    pages[CAMPAIGN] = partial(campaign_page, site)
    pages["rejects/show"] = partial(reject_page, site)
    pages["messages/show"] = partial(message_page, site)
    for name, endpoint in pages.items():
        router.add_api_route(f"/{name}", endpoint, methods=["GET", "HEAD"])
    for method, path, endpoint in repairing.routes_of(site):
        router.add_api_route(path, endpoint, methods=[method])
    router.add_api_route(UPLOAD, lambda: RedirectResponse("/reconcile", HTTPStatus.SEE_OTHER), methods=["GET"])
    router.add_api_route(UPLOAD, partial(_upload, site), methods=["POST"])
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


def _question(site: Site, asked: Asked, request: Request) -> Response:
    given, name = given_in(request), asked.name
    form = {"form": question_form(asked.parameters, given, _FILTERS)}
    try:
        order = Order.of(request)
        answer, is_before = asked.soon(site, given) if asked.name == OVERVIEW else (asked.answer(site, given), False)
        order.check(table.name for table in answer.tables)
        tables = {table.name: order.apply(table, table.name) for table in answer.tables}
    except AdvertiseXError as error:
        return failed(site, request, name, error, title=name.capitalize(), **form)
    query = pinned(given, answer)
    shown = drawn_answer(site, request, asked, given, answer, tables, order)
    shown |= {"share": f"/{name}?{urlencode([*query, *order.query()])}", "json": asked.address(query)}
    shown |= {"is_before": is_before, "keep": to_keep(given) if name == "reconcile" else ""}
    return page(site, request, "question.html.j2", name, **shown, **form)


def _reconcile(site: Site, request: Request) -> Response:
    """The question about a report; without one, what to do first."""
    if "report" in dict(given_in(request)):
        return _question(site, ASKED["reconcile"], request)
    return page(site, request, "upload.html.j2", "reconcile", title="Reconcile")


async def _upload(site: Site, request: Request) -> Response:
    """Keep the file of a form, and show the question about it."""
    file = form_of(request).get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        return failed(site, request, "reconcile", ConfigurationError("no file was chosen"), title="Reconcile")
    try:
        found = await site.uploads.keep(file.filename, _parts_of(file))
    except TooLarge:
        error = ConfigurationError(
            f"the file has more than {LARGEST_UPLOAD:,} bytes", hint="split it, by month for example"
        )
        return failed(site, request, "reconcile", error, title="Reconcile")
    return RedirectResponse(f"/reconcile?report={found}", HTTPStatus.SEE_OTHER)


async def _parts_of(file: UploadFile) -> AsyncIterator[bytes]:
    while part := await file.read(_PART_BYTES):
        yield part
