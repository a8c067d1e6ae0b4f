"""Responses with an ETag: without their content if the client has it already."""

from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from xxhash import xxh3_128

JSON, CSV, NDJSON = "application/json", "text/csv; charset=utf-8", "application/x-ndjson"

#: Bytes of a response that are kept in memory; a longer one is in a temporary file.
_IN_MEMORY = 2**20
_CHUNK = 2**16


def tagged(request: Request, text: str, kind: str) -> Response:
    """Respond with a text."""
    content = text.encode()
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
    return {"ETag": tag, "Cache-Control": "no-cache"}, tag in known or "*" in known


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk
