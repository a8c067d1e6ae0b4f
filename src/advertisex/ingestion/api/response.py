"""Read a response: what its status means, its body, and the format of that."""

import time
from io import BytesIO

import httpx

from advertisex.errors import ErrorReported, RequestRejected, SourceError, SourceUnavailable
from advertisex.ingestion.api.content_encoding import Damaged, Truncated, UnknownEncoding, decoded
from advertisex.ingestion.api.error_document import error_document
from advertisex.ingestion.api.failures import MORE_TIME, REJECTED, RETRYABLE, returned
from advertisex.ingestion.api.rate_limit import reset_after, retry_after
from advertisex.ingestion.api.request import Response
from advertisex.ingestion.formats import Format, extension

#: A body that arrives too slowly is abandoned after this many times the timeout.
_BODY_TIMEOUTS = 20
_DEFAULT_FORMAT: Format = "json"
#: Part of a content type -> format. Archives and workbooks are recognised by their content.
_CONTENT_TYPES: dict[str, Format] = {
    "csv": "csv",
    "tab-separated": "csv",
    "ndjson": "ndjson",
    "jsonl": "ndjson",
    "json": "json",
    "avro": "avro",
    "parquet": "parquet",
}


def received(
    response: httpx.Response, where: str, *, timeout: float, body_bytes: int, secrets: frozenset[str]
) -> Response:
    """Read a response to its end, so that a truncated one yields nothing.

    Args:
        response: the response, which is not a redirect.
        where: the URL without its secrets.
        timeout: seconds for each read; the whole body gets a multiple of it.
        body_bytes: maximum size of the decoded body.
        secrets: texts that no error must show.

    Raises:
        SourceUnavailable: the response is a failure that a retry may fix.
        SourceError: the response is another failure.
    """
    status, url = response.status_code, str(response.url)
    headers = {name.lower(): value for name, value in response.headers.items()}
    if status in (204, 304):
        return Response(status=status, url=url, headers=headers)
    if status != 200:
        raise _status_error(response, headers, where, secrets)
    body = _body(response, where, timeout, body_bytes)
    content = headers.get("content-type", "").lower().partition(";")[0]
    if body.lstrip()[:1] == b"<" or ("html" in content and body.lstrip()[:1] not in (b"{", b"[")):
        raise SourceUnavailable(
            "the server returned an HTML page instead of records (status 200)",
            where=where,
            hint="check the URL; if it needs a login, set api.headers or the authentication of the source",
        )
    by_type = next((kind for word, kind in _CONTENT_TYPES.items() if word in content), None)
    declared = by_type or extension(response.url.path) or _DEFAULT_FORMAT
    warnings = _reported(body, where, secrets)
    return Response(body, declared, response.charset_encoding, status, url, headers, warnings)


def _reported(body: bytes, where: str, secrets: frozenset[str]) -> tuple[str, ...]:
    """Return the warning about an error that is reported beside records; raise one that is reported without any."""
    document = error_document(body, secrets)
    if document is None:
        return ()
    said = f": {document.message}" if document.message else ""
    if document.has_records:
        return (f"the server reports an error beside the records{said}",)
    raise ErrorReported(
        f"the server reports an error (status 200){said}", where=where, hint="check the URL and the credentials"
    )


def _body(response: httpx.Response, where: str, timeout: float, body_bytes: int) -> bytes:
    body = BytesIO()  # gives its buffer away without a copy
    deadline = time.monotonic() + _BODY_TIMEOUTS * timeout
    encodings = response.headers.get("content-encoding", "")
    try:
        for part in decoded(response.iter_raw(), encodings):
            if body.tell() + len(part) > body_bytes:
                raise SourceError(
                    f"the response body is larger than {body_bytes >> 20} MiB",
                    where=where,
                    hint="request less data per poll",
                )
            body.write(part)
            if time.monotonic() > deadline:
                raise SourceUnavailable(
                    f"the response body was not complete within {_BODY_TIMEOUTS * timeout:g} s",
                    where=where,
                    hint=f"request less data per poll, or {MORE_TIME}",
                )
    except UnknownEncoding:
        what = f"unknown Content-Encoding {encodings[:40]!r} of the response"
        raise SourceError(what, where=where, hint="the server ignores Accept-Encoding; try another URL") from None
    except Damaged as error:
        what = "the compressed body of the response is damaged"
        raise SourceUnavailable(what, where=where, hint="try again later") from error
    except Truncated as error:
        raise SourceUnavailable("the response was truncated", where=where, hint="try again later") from error
    return body.getvalue()


def _status_error(
    response: httpx.Response, headers: dict[str, str], where: str, secrets: frozenset[str]
) -> SourceError:
    status, what = response.status_code, returned(response, secrets)
    is_limited = status == 403 and ("retry-after" in headers or reset_after(headers) is not None)
    if status in RETRYABLE or status >= 500 or is_limited:
        wait = retry_after(headers)
        hint = "try again later" if wait is None else f"retry after {wait:.0f} s, as the server asks"
        return SourceUnavailable(what, where=where, hint=hint, retry_after=wait)
    if status in (401, 403):
        hint = "check the credentials: the setting api.headers, or the authentication of the source"
        return SourceError(what, where=where, hint=hint)
    if status == 407:
        hint = "write the user and the password into the URL of the proxy: api.proxy, HTTP_PROXY or HTTPS_PROXY"
        return SourceError(what.replace("server", "proxy"), where=where, hint=hint)
    rejected = RequestRejected if status in REJECTED else SourceError
    return rejected(what, where=where, hint="check the URL")
