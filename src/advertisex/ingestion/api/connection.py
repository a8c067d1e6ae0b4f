"""Send requests to an HTTP API."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

import httpx
import structlog

from advertisex.codecs.json_text import is_json
from advertisex.errors import AdvertiseXError, ConfigurationError, SourceError, SourceUnavailable
from advertisex.ingestion.api.authentication import authentication_of
from advertisex.ingestion.api.client import client_of, has_proxy
from advertisex.ingestion.api.failures import unavailable
from advertisex.ingestion.api.rate_limit import PutOff, RateLimit
from advertisex.ingestion.api.request import Request, Response
from advertisex.ingestion.api.response import received
from advertisex.ingestion.api.secrets import Secrets
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.sources import redacted
from advertisex.ingestion.urls import url_problem
from advertisex.limits import Limit
from advertisex.masking import hidden

_LOG = structlog.get_logger(__name__)
BODY_BYTES = Limit(256 * 2**20, "bytes", of="a response body, decompressed", beyond="the poll fails and is repeated")
#: The longest wait between two attempts, and the longest Retry-After that is honoured, in seconds.
LONGEST_WAIT = 60.0
LONGEST_RETRY_AFTER = 600.0
#: A longer wait for the rate limit is logged, or left to the caller.
_LONG_WAIT = 1.0
_REDIRECTS = 10
#: Shorter secrets are not hidden in addresses, where a number of a page can be equal to one.
_LONG_SECRET = 8
#: Headers of a request that another host gets, too; httpx keeps the cookies of each host apart.
_HARMLESS = {"accept", "accept-encoding", "cookie", "host", "if-modified-since", "if-none-match", "user-agent"}
#: What httpx raises for an invalid URL or header.
_INVALID = (
    httpx.InvalidURL,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
    UnicodeError,
    OverflowError,
)


class Connection:
    """Sends requests to one API. It lives across polls: it keeps TCP connections, the token and the rate limit.

    Args:
        options: how the requests are sent; checked.
        secrets: the secrets of the source, which no error shows.
        clock: monotonic time in seconds.
        sleep: waits for a number of seconds.
        body_bytes: maximum size of a response body.

    Raises:
        ConfigurationError: a proxy or a file of certificate authorities is invalid.
    """

    def __init__(
        self,
        options: ApiOptions,
        secrets: Secrets,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        body_bytes: int = BODY_BYTES,
    ) -> None:
        self._options, self._sleep, self._body_bytes = options, sleep, body_bytes
        self._responses: list[httpx.Response] = []  # to the current request, redirects included
        self._url, self._place = httpx.URL(), ""  # of the current request, or of the redirect that it follows
        self._client = client_of(options, self._responses.append)
        self._authentication = authentication_of(options.auth, self._client, clock, secrets.texts())
        self._texts = secrets.texts()
        self._limit = RateLimit(options.requests_per_second, clock, longest=LONGEST_RETRY_AFTER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the TCP connections."""
        self._client.close()

    def send(self, request: Request, *, retry: bool) -> Response:
        """Send a request, when the rate limit allows it, and read the whole response.

        With `retry`, a failure that may pass is repeated, up to `attempts` attempts. The first wait is `retry_wait`
        seconds; each further wait is twice as long, with jitter. The wait that a server asks for overrides it. Not by
        stamina: the log names the attempts, and the waits of the rate limit go through the same `sleep`.

        Args:
            request: the request.
            retry: whether to wait and try again here; otherwise the caller does.

        Raises:
            PutOff: the request has to wait for the rate limit for more than a second; not with `retry`.
            ConfigurationError: the URL or a header is invalid.
            SourceUnavailable: the request failed in a way that a retry may fix.
            SourceError: the request failed for another reason.
        """
        attempts = self._options.attempts if retry else 1
        for attempt in range(1, attempts):
            try:
                return self._send_in_time(request, retry=retry)
            except SourceUnavailable as error:
                wait = self._wait_after(attempt, error.retry_after)
                if wait is None:
                    raise
                _LOG.warning(
                    "retrying", why=str(error), attempt=f"{attempt} of {attempts} failed", wait_seconds=round(wait, 1)
                )
            self._sleep(wait)
        return self._send_in_time(request, retry=retry)

    def _wait_after(self, attempt: int, retry_after: float | None) -> float | None:
        """Return the seconds to wait after an attempt, or None if the server asks for a wait that is too long."""
        if retry_after is not None:
            return retry_after if retry_after <= LONGEST_RETRY_AFTER else None
        initial = self._options.retry_wait
        jitter = random.uniform(0, initial / 2)  # noqa: S311 - jitter needs no secure randomness
        return min(initial * 2.0 ** min(attempt - 1, 32) + jitter, max(LONGEST_WAIT, initial))

    def shown(self, text: str) -> str:
        """Return a text without secrets, also those that a server has put into a link."""
        return hidden(text, (secret for secret in self._secret_texts() if len(secret) >= _LONG_SECRET))

    def _send_in_time(self, request: Request, *, retry: bool) -> Response:
        try:
            return self._send_when_allowed(request, retry=retry)
        except AdvertiseXError as error:
            error.where = self.shown(error.where)
            raise

    def _send_when_allowed(self, request: Request, *, retry: bool) -> Response:
        wait = self._limit.wait()
        if wait > _LONG_WAIT:
            if not retry:
                raise PutOff(wait)
            _LOG.info("waiting for the rate limit", wait_seconds=round(wait, 1))
        if wait:
            self._sleep(wait)
        try:
            return self._send_once(request)
        except _INVALID:  # their texts may contain a value
            if self._responses:  # the user's own URL worked
                what = "the server redirects to an invalid URL"
                raise SourceError(what, where=self._place, hint="check the URL") from None
            raise ConfigurationError(
                "invalid URL or header", where=request.where, hint="check the URL and the headers"
            ) from None
        except httpx.HTTPError as error:
            raise unavailable(error, self._place, proxy=has_proxy(self._options, self._url)) from error

    def _send_once(self, asked: Request) -> Response:
        """Send a request; once more with a new token if the server rejects the old one."""
        response = self._redirected(asked)
        try:
            if response.status_code == 401 and self._authentication.renew():
                response.close()
                response = self._redirected(asked)
            found = received(
                response,
                self._place,
                timeout=self._options.timeout,
                body_bytes=self._body_bytes,
                secrets=self._secret_texts(),
            )
        finally:
            response.close()
        self._limit.received(found.headers)
        return replace(found, url=str(self._authentication.without(response.url)))

    def _secret_texts(self) -> frozenset[str]:
        return self._texts.union(self._authentication.secrets())

    def _redirected(self, asked: Request) -> httpx.Response:
        """Return the open response to a request, behind all redirects."""
        request = self._request(asked)
        is_own = True
        self._authentication.authenticate(request)
        self._responses.clear()
        self._url, self._place = request.url, asked.where
        for _ in range(_REDIRECTS):
            self._limit.sent()
            response = self._client.send(request, stream=True)
            if response.next_request is None:
                return response
            response.close()
            following = response.next_request
            self._check_redirect(request.url, following, asked, response.status_code)
            is_own = is_own and following.url.netloc == request.url.netloc
            if is_own:
                self._authentication.authenticate(following)
            else:
                following.headers = httpx.Headers(
                    {name: value for name, value in following.headers.items() if name.lower() in _HARMLESS}
                )
            request = following
            self._url, self._place = request.url, f"{self._target(request)}, to which {asked.where} redirects"
        raise SourceError(f"more than {_REDIRECTS} redirects", where=asked.where, hint="check the URL")

    def _request(self, asked: Request) -> httpx.Request:
        headers = httpx.Headers({**self._options.headers, **asked.headers})
        if asked.body is not None and "content-type" not in headers and is_json(asked.body):
            headers["Content-Type"] = "application/json"
        request = self._client.build_request(asked.method, asked.url, headers=headers, content=asked.body)
        if request.url.userinfo and (self._options.auth is not None or "authorization" in headers):
            raise ConfigurationError(
                "the URL has a user or a password beside another authentication",
                where=asked.where,
                hint="remove it from the URL, or remove the authentication and the header Authorization",
            )
        return request

    def _target(self, request: httpx.Request) -> str:
        return hidden(redacted(request.url), self._secret_texts())

    def _check_redirect(self, url: httpx.URL, following: httpx.Request, asked: Request, status: int) -> None:
        """Check that a redirect leads neither from https to http, nor a POST with its body to another host."""
        if url_problem(str(following.url)):
            raise httpx.InvalidURL("")
        target = self._target(following)
        if url.scheme == "https" and following.url.scheme != "https":
            what = f"the server redirects from https to {target}, which is not encrypted (status {status})"
        elif following.url.netloc != url.netloc and following.method == "POST":
            what = f"the server redirects a POST to another host, {target} (status {status})"
        else:
            return
        raise SourceError(what, where=asked.where, hint="if this is intended, use the redirect target as the URL")
