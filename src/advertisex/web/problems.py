"""Errors as problem documents (RFC 9457), in the words of the command line, without its dashes."""

import re
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from advertisex.errors import (
    AdvertiseXError,
    AnalysisError,
    ConfigurationError,
    RejectMissing,
    SourceError,
    StoreBusy,
    StoreInterrupted,
    StoreMissing,
    StoreUnavailable,
)
from advertisex.masking import traceback_of
from advertisex.reporting.json_text import json_text
from advertisex.reporting.packed import MEDIA_TYPE

_LOG = structlog.get_logger(__name__)

_STATUS: dict[type[AdvertiseXError], HTTPStatus] = {
    ConfigurationError: HTTPStatus.BAD_REQUEST,
    RejectMissing: HTTPStatus.NOT_FOUND,
    SourceError: HTTPStatus.BAD_REQUEST,
    AnalysisError: HTTPStatus.NOT_FOUND,
    StoreMissing: HTTPStatus.NOT_FOUND,
    StoreBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreInterrupted: HTTPStatus.SERVICE_UNAVAILABLE,
}

_OPTION_BESIDE = re.compile(r" \(--[a-z][a-z-]*\)")
_OPTION = re.compile(r"--([a-z][a-z-]*)")

#: How OpenAPI describes an error.
PROBLEM = {"description": "An error", "content": {"application/problem+json": {"schema": {"type": "object"}}}}

#: Seconds after which a client may try again when the store does not respond, or the log is behind.
_RETRY_SECONDS = "5"
_TEMPORARY = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)


def status_of(error: AdvertiseXError) -> HTTPStatus:
    """The status of the response to a request that failed."""
    classes = (kind for kind in type(error).__mro__ if kind in _STATUS)
    return _STATUS.get(next(classes, AdvertiseXError), HTTPStatus.INTERNAL_SERVER_ERROR)


def without_dashes(text: str) -> str:
    """Name options as parameters: `--as-of` becomes `as_of`."""
    parts = text.split("`")  # commands are between these, and stay as they are
    parts[::2] = [
        _OPTION.sub(lambda match: match[1].replace("-", "_"), _OPTION_BESIDE.sub("", one)) for one in parts[::2]
    ]
    return "`".join(parts)


def problem(
    status: HTTPStatus, detail: str, *, where: str = "", hint: str = "", error: str = "", dashes: bool = False
) -> Response:
    """Make a problem document.

    Args:
        status: the status.
        detail: what failed.
        where: where; may be empty.
        hint: what can be done; may be empty.
        error: the class of the error, if it is one of ours.
        dashes: whether options are named as on the command line.
    """
    texts = {"detail": detail, "where": where, "hint": hint, "error": error}
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        **{name: text if dashes else without_dashes(text) for name, text in texts.items() if text},
    }
    headers = {"Retry-After": _RETRY_SECONDS} if status in _TEMPORARY else {}
    return Response(json_text(document), status.value, headers, "application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Let every error of the API become a problem document."""

    def expected(request: Request, error: Exception) -> Response:
        assert isinstance(error, AdvertiseXError)
        is_command = MEDIA_TYPE in request.headers.get("accept", "")  # of another machine
        return problem(
            status_of(error), error.what, where=error.where, hint=error.hint, error=type(error).__name__,
            dashes=is_command,
        )  # fmt: skip

    def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        response = problem(status, f"{request.method} {request.url.path}: {status.phrase.lower()}")
        response.headers.update(error.headers or {})
        return response

    def unexpected(request: Request, error: Exception) -> Response:
        _LOG.error("internal error; please report this bug", path=request.url.path, error=traceback_of(error))
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error", hint="please report this bug; see the log")

    app.add_exception_handler(AdvertiseXError, expected)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, unexpected)
