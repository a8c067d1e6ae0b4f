"""An HTTP API as a source: one GET is one poll, and its body is read as a file would be."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO

import httpx
import stamina

from advertisex.errors import ConfigurationError, SourceError, SourceUnavailable
from advertisex.feeds import Feed
from advertisex.ingestion.formats import Format
from advertisex.ingestion.open_source import read_stream
from advertisex.ingestion.options import IngestOptions
from advertisex.ingestion.records import Chunk
from advertisex.ingestion.stream import Stream, decompressed

BODY_BYTES = 256 * 2**20
#: The longest wait between two attempts, and the longest Retry-After that is waited for.
LONGEST_WAIT = 60.0
LONGEST_RETRY_AFTER = 600.0
#: A server that keeps on dripping bytes is given up after so many times the timeout.
_PATIENCE = 20
_REDIRECTS = 10
#: The answers that a later try may mend: timeouts, "too early", "too many", and the server's own failures.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_PLAIN: Format = "json"
_SECRETS = ("token", "key", "secret", "password", "passwd", "signature", "sig", "auth", "credential")


def redacted(url: str | httpx.URL) -> str:
    """A URL that can be shown: without user, password, fragment, and the values of parameters that sound secret."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "the given URL"
    parameters = [
        (name, "***" if any(word in name.lower() for word in _SECRETS) else value)
        for name, value in parsed.params.multi_items()
    ]
    shown = parsed.copy_with(username=None, password=None, fragment=None)
    return str(shown.copy_with(params=parameters) if parameters else shown).replace("%2A%2A%2A", "***")


def read_api(url: str, feed: Feed, options: IngestOptions) -> Iterator[Chunk]:
    """The records of one answer; asked for again, up to `max_attempts` times, when it fails in a passing way.

    The first wait is `retry_wait`, and each is twice the one before, with jitter; Retry-After overrides it.

    Raises:
        SourceUnavailable: no attempt succeeded.
        SourceError: it failed in a way that trying again cannot mend.
    """

    def again(error: Exception) -> bool | float:
        if not isinstance(error, SourceUnavailable):
            return False
        if error.retry_after is None:
            return True
        return error.retry_after <= LONGEST_RETRY_AFTER and error.retry_after

    body, kind = b"", _PLAIN
    for attempt in stamina.retry_context(
        on=again,
        attempts=options.max_attempts,
        timeout=None,
        wait_initial=options.retry_wait,
        wait_max=max(LONGEST_WAIT, options.retry_wait),
        wait_jitter=options.retry_wait / 2,
    ):
        with attempt:
            body, kind = fetch(url, options)
    yield from read_body(url, body, kind, feed, options)


def read_body(url: str, body: bytes, kind: Format, feed: Feed, options: IngestOptions) -> Iterator[Chunk]:
    """The records of an answer's body."""
    with decompressed(Stream(BytesIO(body), redacted(url))) as stream:
        yield from read_stream(stream, feed, options, otherwise=kind)


def fetch(url: str, options: IngestOptions) -> tuple[bytes, Format]:
    """One GET: the body, and the format to take it for if its bytes do not tell.

    The whole body is held before a record of it is used, so that an answer that is cut short is no answer.

    Raises:
        ConfigurationError: the URL or a header is none.
        SourceUnavailable: it failed in a way that a later try may mend.
        SourceError: it failed otherwise.
    """
    where = redacted(url)
    answered: list[httpx.Response] = []
    try:
        with httpx.Client(timeout=options.timeout, event_hooks={"response": [answered.append]}) as client:
            request = client.build_request("GET", url, headers=options.headers)
            for _ in range(_REDIRECTS):
                response = client.send(request, stream=True)
                try:
                    if response.next_request is None:
                        return _answer(response, where, options.timeout)
                    request = _redirected(request, response, options, where)
                finally:
                    response.close()
    except (
        httpx.InvalidURL,
        httpx.UnsupportedProtocol,
        httpx.LocalProtocolError,
        UnicodeError,
        OverflowError,
    ) as error:
        if answered:  # so the user's own URL is one; what cannot be asked for is where the server sends us
            raise SourceError(
                f"it redirects to what cannot be asked for: {error}", where=where, hint="check the URL"
            ) from error
        raise ConfigurationError(
            f"cannot be asked for: {error}", where=where, hint="check the URL and headers"
        ) from error
    except httpx.HTTPError as error:
        raise _unavailable(error, where) from error
    raise SourceError(f"it redirects more than {_REDIRECTS} times", where=where, hint="check the URL")


def _answer(response: httpx.Response, where: str, timeout: float) -> tuple[bytes, Format]:
    status = response.status_code
    if status == 204:
        return b"", "json"
    if status != 200:
        raise _refused(response, where)
    parts: list[bytes] = []
    weight = 0
    give_up = time.monotonic() + _PATIENCE * timeout
    for part in response.iter_bytes():
        parts.append(part)
        weight += len(part)
        if weight > BODY_BYTES:
            raise SourceError(
                f"the body is larger than {BODY_BYTES >> 20} MiB (status 200)",
                where=where,
                hint="ask for less at a time",
            )
        if time.monotonic() > give_up:
            raise SourceUnavailable(
                f"the body did not end within {_PATIENCE * timeout:g} s (status 200)",
                where=where,
                hint="ask for less at a time, or give it longer with the setting api.timeout",
            )
    body = b"".join(parts)
    content = response.headers.get("content-type", "").lower()
    if body.lstrip()[:1] == b"<" or ("html" in content and body.lstrip()[:1] not in (b"{", b"[")):
        raise SourceUnavailable(
            "it answered with a web page instead of records (status 200)",
            where=where,
            hint="check the URL, and whether it wants a login: headers are the setting api.headers",
        )
    return body, "csv" if "csv" in content else "ndjson" if "ndjson" in content else "json"


def _redirected(request: httpx.Request, response: httpx.Response, options: IngestOptions, where: str) -> httpx.Request:
    """The request that a redirect asks for, which may neither drop the encryption nor carry secrets elsewhere."""
    following = response.next_request
    assert following is not None
    if request.url.scheme == "https" and following.url.scheme != "https":
        raise SourceError(
            f"it redirects from https to {redacted(following.url)}, which is not encrypted "
            f"(status {response.status_code})",
            where=where,
            hint="give the address that it redirects to, if that is what you want",
        )
    if following.url.netloc != request.url.netloc:
        for name in options.headers:
            following.headers.pop(name, None)
    return following


def _refused(response: httpx.Response, where: str) -> SourceError:
    status = response.status_code
    what = f"it answered with status {status} {response.reason_phrase}".rstrip()
    if status in _PASSING or status >= 500:
        wait = _retry_after(response.headers.get("retry-after"))
        hint = "try again later" if wait is None else f"it asks to be left alone for {wait:.0f} s"
        return SourceUnavailable(what, where=where, hint=hint, retry_after=wait)
    if status in (401, 403):
        return SourceError(what, where=where, hint="check the credentials: headers are the setting api.headers")
    return SourceError(what, where=where, hint="check the URL")


def _retry_after(value: str | None) -> float | None:
    """Retry-After in seconds: a number, or a date; None where there is none that can be read."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _unavailable(error: httpx.HTTPError, where: str) -> SourceUnavailable:
    match error:
        case httpx.TimeoutException():
            what, hint = "it did not answer in time", "try again later, or give it longer with the setting api.timeout"
        case httpx.ConnectError():
            what, hint = f"cannot be reached: {error}", "check the address, and that the server is up"
        case httpx.RemoteProtocolError():
            what, hint = f"the answer was cut short: {error}", "try again later"
        case _:
            what, hint = f"the answer cannot be read: {error or type(error).__name__}", "try again later"
    return SourceUnavailable(what, where=where, hint=hint)
