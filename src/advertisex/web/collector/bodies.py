"""Receives and decompresses the body of a request, within bounds."""

from asyncio import timeout
from collections.abc import Callable
from http import HTTPStatus

from fastapi import Request
from starlette.requests import ClientDisconnect

from advertisex.ingestion.api.content_encoding import Damaged, Truncated, UnknownEncoding, decoded
from advertisex.limits import Limit
from advertisex.web.collector.not_accepted import NotAccepted

LARGEST_BODY = Limit(
    16 * 2**20,
    "bytes",
    of="the body of a request to the collector, also decompressed",
    beyond="answered with status 413",
)

#: Seconds in which a body must arrive.
_BODY_SECONDS = 30.0


async def received(request: Request, hold: Callable[[int], None]) -> bytes:
    """Receive the body of a request, as it was sent.

    Args:
        request: the request.
        hold: called with the size of each part, see `Room`.

    Raises:
        NotAccepted: it is too large, does not arrive in time, or ends early.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > LARGEST_BODY:
        raise _too_large()
    body = bytearray()
    try:
        async with timeout(_BODY_SECONDS):
            async for part in request.stream():
                if len(body) + len(part) > LARGEST_BODY:
                    raise _too_large()
                hold(len(part))
                body += part
    except TimeoutError as error:
        what = f"the body did not arrive within {_BODY_SECONDS:.0f} s"
        raise NotAccepted(HTTPStatus.REQUEST_TIMEOUT, what, "send fewer events in a request") from error
    except ClientDisconnect as error:
        raise NotAccepted(HTTPStatus.BAD_REQUEST, "the body ends early") from error
    return bytes(body)


def decompressed(body: bytes, encodings: str) -> bytes:
    """Decompress a body.

    Args:
        body: the body as it was sent.
        encodings: the value of Content-Encoding.

    Raises:
        NotAccepted: the encoding is unknown, the body is damaged or truncated, or too large.
    """
    whole = bytearray()
    try:
        for part in decoded([body], encodings):
            whole += part
            if len(whole) > LARGEST_BODY:
                raise _too_large()
    except UnknownEncoding as error:
        raise _unusable("the Content-Encoding is unknown", "use gzip, deflate or zstd") from error
    except Damaged as error:
        raise _unusable("the body is not in its Content-Encoding", "compress it again, and send it again") from error
    except Truncated as error:
        raise _unusable("the compressed body is truncated", "compress it again, and send it again") from error
    return bytes(whole)


def _too_large() -> NotAccepted:
    what = f"the body has more than {LARGEST_BODY:,} bytes"
    return NotAccepted(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, what, "send fewer events in a request")


def _unusable(what: str, hint: str) -> NotAccepted:
    return NotAccepted(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, what, hint)
