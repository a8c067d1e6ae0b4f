"""Lets other processes use the store that this process has open, over a socket that only its user can reach."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from secrets import compare_digest

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from advertisex.stores.contract import EventStore
from advertisex.stores.held.calls import LONGEST_CALL, READS, WRITES, decode_call, encode_result
from advertisex.stores.held.place import listening
from advertisex.web.app import at_most
from advertisex.web.guard import Guard
from advertisex.web.problems import add_handlers, problem
from advertisex.web.server import running

#: Calls that are answered at the same time: they share the machine with the pipeline.
_AT_ONCE = 2

_LOG = structlog.get_logger(__name__)


@contextmanager
def readable_by_others(store: EventStore, path: Path) -> Iterator[None]:
    """Answer the methods of a store that read, or write beside commits, for other processes, while the block runs.

    Args:
        store: the store, open for writing.
        path: the socket, see `stores.held.place`.
    """
    with ExitStack() as stack:
        try:
            listener, token = stack.enter_context(listening(path))
        except OSError as error:
            _LOG.warning("other processes cannot read the store meanwhile", where=str(path), why=error.strerror)
        else:
            stack.enter_context(running(app_of_store(store, token), listener))
        yield


def app_of_store(store: EventStore, token: str = "") -> Guard:
    """Return the ASGI application: the methods of a store that read, or write beside commits.

    Args:
        store: the store.
        token: what requests must carry; empty if the socket lets in nobody else.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=at_most(_AT_ONCE))
    add_handlers(app)
    expected = f"Bearer {token}".encode()

    async def call(request: Request, method: str) -> Response:
        if token and not compare_digest(request.headers.get("authorization", "").encode(), expected):
            return problem(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")
        if method not in READS | WRITES:
            return problem(HTTPStatus.NOT_FOUND, f"unknown method {method!r}")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LONGEST_CALL:
                return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the call has more than {LONGEST_CALL:,} bytes")
        arguments = await run_in_threadpool(decode_call, method, bytes(body))
        parts = encode_result(method, lambda: getattr(store, method)(**arguments))
        return StreamingResponse(parts, media_type="application/octet-stream")

    app.add_api_route("/store/{method}", call, methods=["POST"])
    return Guard(app, ["localhost"])
