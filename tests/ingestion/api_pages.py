"""Pages of an API, without a server."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from advertisex.ingestion.api.paging.pager import Pager
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.options.paginate import Paginate

URL = "https://api.example.com/v1/clicks?since=2026-01-01"
FIRST = Request(URL)
RECORDS = [{"id": 1}, {"id": 2}]


def answer(body: Any = None, headers: dict[str, str] | None = None, url: str = URL) -> Response:
    text = body if isinstance(body, bytes) else json.dumps({"data": RECORDS} if body is None else body).encode()
    return Response(text, url=url, headers={name.lower(): value for name, value in (headers or {}).items()})


def after(
    body: Any = None,
    headers: dict[str, str] | None = None,
    *,
    paginate: Paginate | None = None,
    request: Request = FIRST,
    records: int = 2,
) -> Request | None:
    """The request after the first answer."""
    pager = Pager(paginate, request)
    return pager.following(pager.first, answer(body, headers, pager.first.url), records)


def parameters(request: Request | None) -> dict[str, list[str]]:
    assert request is not None
    return parse_qs(urlsplit(request.url).query, keep_blank_values=True)


def cursor(path: str = "at.c", **parts: Any) -> Paginate:
    paginate = Paginate("cursor", cursor_path=path, **({"param": "after"} | parts))
    paginate.check()
    return paginate
