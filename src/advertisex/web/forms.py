"""Forms of pages that change something: each carries a text that only a page of this server can know (CSRF).

`Access` reads the form of every request that has one, and checks it before a route sees the request. A template adds
the text to its form by `{% include "form_token.html.j2" %}`; a route gets the fields by `form_of`.
"""

from hmac import compare_digest
from http import HTTPStatus

from anyio import fail_after
from fastapi import Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from advertisex.limits import Limit
from advertisex.web.roles import UPLOAD
from advertisex.web.uploads import LARGEST_UPLOAD

#: The field of a form with the text.
FIELD = "form_token"

_LONGEST_FORM = Limit(1 << 20, "bytes", of="a form of the dashboard", beyond="an error of the request")
_MOST_FIELDS = Limit(1_000, "fields", of="a form of the dashboard", beyond="an error of the request")

#: Seconds in which a client must send a form.
_SECONDS = 30.0
#: The media types that a form of any page can send without being asked.
_KINDS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_KEY = "advertisex.form"


def is_form(request: Request) -> bool:
    """Whether a request is what a form sends."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() in _KINDS


def form_of(request: Request) -> FormData:
    """The fields of the form of a request; empty if it has none."""
    found: FormData = request.scope.get(_KEY, FormData())
    return found


def is_ours(form: FormData, expected: str) -> bool:
    """Whether a form carries the text that is expected."""
    given = form.get(FIELD)
    return isinstance(given, str) and compare_digest(given.encode(), expected.encode())


async def read_form(scope: Scope, receive: Receive) -> Receive:
    """Read the form of a request, for `form_of`; return what gives its body again.

    The form that uploads a file may be as large as an upload, and the fields around it.

    Raises:
        HTTPException: it is too long, not a valid form, or does not arrive in time.
    """
    longest = _LONGEST_FORM + (LARGEST_UPLOAD if scope["path"] == UPLOAD else 0)
    body = await body_of(scope, receive, longest)
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return rest.pop() if rest else await receive()

    async def parsed() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        form = await Request(scope, parsed).form(
            max_files=_MOST_FIELDS, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FORM
        )
    except (MultiPartException, FormParserError, UnicodeError):  # their texts are not shown
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body is not a valid form") from None
    scope[_KEY] = form
    return again


async def body_of(scope: Scope, receive: Receive, longest: int) -> bytes:
    """Read the body of a request.

    Raises:
        HTTPException: it is too long, or does not arrive in time.
    """
    body = bytearray()
    try:
        with fail_after(_SECONDS):
            async for part in Request(scope, receive).stream():
                body += part
                if len(body) > longest:
                    what = f"the body has more than {longest:,} bytes"
                    raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what)
    except (TimeoutError, ClientDisconnect):
        what = f"the body did not arrive within {_SECONDS:g} s"
        raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, what, {"Connection": "close"}) from None
    return bytes(body)
