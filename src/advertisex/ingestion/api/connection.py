"""Send a request to an HTTP API."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self

import httpx
import structlog

from advertisex.errors import ConfigurationError, SourceError, SourceUnavailable
from advertisex.ingestion.api.failures import unavailable
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.api_options import ApiOptions
from advertisex.ingestion.formats import Format, extension
from advertisex.ingestion.sources import redacted

_LOG = structlog.get_logger(__name__)
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
#: What httpx raises for an invalid URL or header.
_INVALID = (
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    UnicodeError,
    OverflowError,
)
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


class Connection:
    """Sends requests to one API. It lives across polls, so that its TCP connections can be used again.

    Args:
        options: how the requests are sent.
        clock: monotonic time in seconds.
        sleep: waits for a number of seconds.
        body_bytes: maximum size of a response body.
    """

    def __init__(
        self,
        options: ApiOptions,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        body_bytes: int = BODY_BYTES,
    ) -> None:
        self._options, self._clock, self._sleep, self._body_bytes = options, clock, sleep, body_bytes
        self._responses: list[httpx.Response] = []  # to the current request, redirects included
        self._client = httpx.Client(timeout=options.timeout, event_hooks={"response": [self._responses.append]})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the TCP connections."""
        self._client.close()

    def send(self, request: Request, *, retry: bool) -> Response:
        """Send a request and read the whole response, so that a truncated one yields nothing.

        With `retry`, a failure that may pass is repeated, up to `attempts` attempts. The first wait is `retry_wait`
        seconds; each further wait is twice as long, with jitter. Retry-After overrides the wait.

        Args:
            request: the request.
            retry: whether to wait and try again here; otherwise the caller does.

        Raises:
            ConfigurationError: the URL or a header is invalid.
            SourceUnavailable: the request failed in a way that a retry may fix.
            SourceError: the request failed for another reason.
        """
        attempts = self._options.attempts if retry else 1
        for attempt in range(1, attempts):
            try:
                return self._send_once(request)
            except SourceUnavailable as error:
                wait = self._wait(attempt, error.retry_after)
                if wait is None:
                    raise
                _LOG.warning(
                    "retrying", attempt=f"{attempt} of {attempts}", wait_seconds=round(wait, 1), why=str(error)
                )
            self._sleep(wait)
        return self._send_once(request)

    def _wait(self, attempt: int, retry_after: float | None) -> float | None:
        """Return the seconds to wait after an attempt, or None if the server asks for a wait that is too long."""
        if retry_after is not None:
            return retry_after if retry_after <= LONGEST_RETRY_AFTER else None
        initial = self._options.retry_wait
        jitter = random.uniform(0, initial / 2)  # noqa: S311 - jitter needs no secure randomness
        return min(initial * 2.0 ** min(attempt - 1, 32) + jitter, max(LONGEST_WAIT, initial))

    def _send_once(self, request: Request) -> Response:
        where = request.where
        self._responses.clear()
        try:
            sent = self._client.build_request(
                request.method,
                request.url,
                headers={**self._options.headers, **request.headers},
                content=request.body,
            )
            for _ in range(_REDIRECTS):
                response = self._client.send(sent, stream=True)
                try:
                    if response.next_request is None:
                        return _read_response(response, where, self._options.timeout, self._body_bytes)
                    sent = _redirected(sent, response, self._options, where)
                finally:
                    response.close()
        except _INVALID as error:
            if self._responses:  # the user's own URL worked
                what = "the server redirects to an invalid URL"
                raise SourceError(what, where=where, hint="check the URL") from error
            raise ConfigurationError(
                "invalid URL or header", where=where, hint="check the URL and the headers"
            ) from error
        except httpx.HTTPError as error:
            raise unavailable(error, where) from error
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
