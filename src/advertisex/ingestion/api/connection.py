"""Send a request to an HTTP API."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import stamina

from advertisex.errors import ConfigurationError, SourceError, SourceUnavailable
from advertisex.ingestion.api.failures import unavailable
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.api_options import ApiOptions
from advertisex.ingestion.formats import Format, extension
from advertisex.ingestion.sources import redacted

#: Default limit on the size of a response body.
BODY_BYTES = 256 * 2**20
#: The longest wait between two attempts, and the longest Retry-After that is honoured, in seconds.
LONGEST_WAIT = 60.0
LONGEST_RETRY_AFTER = 600.0
#: A body that arrives too slowly is abandoned after this many times the timeout.
_BODY_TIMEOUTS = 20
_REDIRECTS = 10
#: Retryable statuses: timeout, too early, too many requests, and server errors.
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}
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


def fetch_with_retries(request: Request, options: ApiOptions) -> Response:
    """Send a request, and repeat it after transient failures, up to `attempts` attempts; see `fetch`.

    The first wait is `retry_wait` seconds; each further wait is twice as long, with jitter. Retry-After overrides the
    wait.
    """
    response = Response()
    # not the decorator of stamina, which logs the arguments: the URL may contain secrets
    for attempt in stamina.retry_context(
        on=_should_retry,
        attempts=options.attempts,
        timeout=None,
        wait_initial=options.retry_wait,
        wait_max=max(LONGEST_WAIT, options.retry_wait),
        wait_jitter=options.retry_wait / 2,
    ):
        with attempt:
            response = fetch(request, options)
    return response


def _should_retry(error: Exception) -> bool | float:
    """Return whether to retry, or the seconds to wait that the server asks for."""
    if not isinstance(error, SourceUnavailable):
        return False
    if error.retry_after is None:
        return True
    return error.retry_after if error.retry_after <= LONGEST_RETRY_AFTER else False


def fetch(request: Request, options: ApiOptions, body_bytes: int = BODY_BYTES) -> Response:
    """Send a request once.

    The whole body is read before any record is used, so that a truncated response yields nothing.

    Args:
        request: the request.
        options: how it is sent.
        body_bytes: maximum size of the body.

    Raises:
        ConfigurationError: the URL or a header is invalid.
        SourceUnavailable: the request failed in a way that a retry may fix.
        SourceError: the request failed for another reason.
    """
    where = request.where
    responses: list[httpx.Response] = []
    try:
        with httpx.Client(timeout=options.timeout, event_hooks={"response": [responses.append]}) as client:
            return _send(client, request, options, body_bytes)
    except (
        httpx.InvalidURL,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
        UnicodeError,
        OverflowError,
    ) as error:
        if responses:  # the user's own URL worked, so the redirect target is invalid
            raise SourceError("the server redirects to an invalid URL", where=where, hint="check the URL") from error
        raise ConfigurationError("invalid URL or header", where=where, hint="check the URL and the headers") from error
    except httpx.HTTPError as error:
        raise unavailable(error, where) from error


def _send(client: httpx.Client, asked: Request, options: ApiOptions, body_bytes: int) -> Response:
    """Follow the redirects of a request to its response, and read it."""
    where = asked.where
    headers = {**options.headers, **asked.headers}
    request = client.build_request(asked.method, asked.url, headers=headers, content=asked.body)
    for _ in range(_REDIRECTS):
        response = client.send(request, stream=True)
        try:
            if response.next_request is None:
                return _read_response(response, where, options.timeout, body_bytes)
            request = _redirected(request, response, options, where)
        finally:
            response.close()
    raise SourceError(f"more than {_REDIRECTS} redirects", where=where, hint="check the URL")


def _read_response(response: httpx.Response, where: str, timeout: float, body_bytes: int) -> Response:
    status = response.status_code
    headers = {name.lower(): value for name, value in response.headers.items()}
    if status in (204, 304):
        return Response(status=status, url=str(response.url), headers=headers)
    if status != 200:
        raise _status_error(response, where)
    body = _read_body(response, where, timeout, body_bytes)
    content = response.headers.get("content-type", "").lower()
    if body.lstrip()[:1] == b"<" or ("html" in content and body.lstrip()[:1] not in (b"{", b"[")):
        raise SourceUnavailable(
            "the server returned an HTML page instead of records (status 200)",
            where=where,
            hint="check the URL; if it needs a login, add the headers to the setting api.headers",
        )
    by_type = next((kind for word, kind in _CONTENT_TYPES.items() if word in content.partition(";")[0]), None)
    by_name = extension(response.url.path)
    declared = by_type or by_name or _DEFAULT_FORMAT
    return Response(body, declared, response.charset_encoding, status, str(response.url), headers)


def _read_body(response: httpx.Response, where: str, timeout: float, body_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    deadline = time.monotonic() + _BODY_TIMEOUTS * timeout
    for part in response.iter_bytes():
        parts.append(part)
        size += len(part)
        if size > body_bytes:
            raise SourceError(
                f"the response body is larger than {body_bytes >> 20} MiB",
                where=where,
                hint="request less data per poll",
            )
        if time.monotonic() > deadline:
            raise SourceUnavailable(
                f"the response body was not complete within {_BODY_TIMEOUTS * timeout:g} s",
                where=where,
                hint="request less data per poll, or raise the setting api.timeout",
            )
    return b"".join(parts)


def _redirected(request: httpx.Request, response: httpx.Response, options: ApiOptions, where: str) -> httpx.Request:
    """Return the request for a redirect. It must not downgrade to http; another host does not get our headers."""
    following = response.next_request
    assert following is not None
    if request.url.scheme == "https" and following.url.scheme != "https":
        raise SourceError(
            f"the server redirects from https to {redacted(following.url)}, which is not encrypted "
            f"(status {response.status_code})",
            where=where,
            hint="if this is intended, use the redirect target as the URL",
        )
    if following.url.netloc != request.url.netloc:
        for name in options.headers:
            following.headers.pop(name, None)
    return following


def _status_error(response: httpx.Response, where: str) -> SourceError:
    status = response.status_code
    what = f"the server returned status {status} {response.reason_phrase}".rstrip()
    if status in _RETRYABLE or status >= 500:
        wait = _retry_after(response.headers.get("retry-after"))
        hint = "try again later" if wait is None else f"retry after {wait:.0f} s, as the server asks"
        return SourceUnavailable(what, where=where, hint=hint, retry_after=wait)
    if status in (401, 403):
        return SourceError(what, where=where, hint="check the credentials in the setting api.headers")
    return SourceError(what, where=where, hint="check the URL")


def _retry_after(value: str | None) -> float | None:
    """Parse Retry-After, a number of seconds or an HTTP date. Return seconds, or None if absent or invalid."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        retry_at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if retry_at.tzinfo is None:
        retry_at = retry_at.replace(tzinfo=UTC)
    return max(0.0, (retry_at - datetime.now(UTC)).total_seconds())
