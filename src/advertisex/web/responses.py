"""Responses with an ETag: without their content if the client has it already."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from xxhash import xxh3_128

from advertisex.reporting.json_text import json_text
from advertisex.reporting.packed import MEDIA_TYPE, PACKED, pack

JSON, CSV, NDJSON = "application/json", "text/csv; charset=utf-8", "application/x-ndjson"

#: Bytes of a response that are kept in memory; a longer one is in a temporary file.
_IN_MEMORY = 2**20
_CHUNK = 2**16


def wants_packed(request: Request) -> bool:
    """Whether the client is the command line of another machine, which prints an object itself."""
    return request.headers.get("accept", "").startswith(MEDIA_TYPE)


def represented(request: Request, found: Any, text: Callable[[], str]) -> Response:
    """Respond with an object, packed or as JSON."""
    return tagged(request, pack(found), PACKED) if wants_packed(request) else tagged(request, text(), JSON)


def done(request: Request, found: Any, document: Mapping[str, Any]) -> Response:
    """Respond with what a request has changed, packed or as JSON."""
    content, kind = (pack(found), PACKED) if wants_packed(request) else (json_text(document).encode(), JSON)
    return Response(content, headers={"Cache-Control": "no-store", "Vary": "Accept"}, media_type=kind)


def tagged(request: Request, text: str | bytes, kind: str) -> Response:
    """Respond with a text."""
    content = text.encode() if isinstance(text, str) else text
    headers, is_known = _headers(request, xxh3_128(content).hexdigest())
    return Response(status_code=304, headers=headers) if is_known else Response(content, 200, headers, kind)


def spooled(request: Request, parts: Iterable[bytes], kind: str) -> Response:
    """Respond with a content of any length; all parts are read before the first is sent.

    A client may be slow, and the store is released before.
    """
    file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed when it is sent
    digest = xxh3_128()
    for part in parts:
        file.write(part)
        digest.update(part)
    headers, is_known = _headers(request, digest.hexdigest())
    if is_known:
        file.close()
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(file.tell())
    file.seek(0)
    return StreamingResponse(_chunks(file), 200, headers, kind)


def downloaded(response: Response, name: str) -> Response:
    """Let a browser save a response as a file of this name."""
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _headers(request: Request, digest: str) -> tuple[dict[str, str], bool]:
    """The headers of a content, and whether the client has it."""
    tag = f'"{digest}"'
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    return {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept"}, tag in known or "*" in known


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
