"""The connection to Elasticsearch: login, retries and errors.

Only the transport of the official client is used: it returns responses as bytes, and sends no requests of its own that
a gateway may block (`GET /`).
"""

import ssl
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from elastic_transport import BaseNode, ConnectionTimeout, HttpHeaders, NodeConfig, Urllib3HttpNode
from elastic_transport import ConnectionError as NotConnected
from elastic_transport.client_utils import basic_auth_to_header
from urllib3.exceptions import HTTPError, LocationValueError

from advertisex.errors import ConfigurationError, StoreError
from advertisex.reasons import reason_of
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.elasticsearch.address import Address
from advertisex.stores.elasticsearch.failures import (
    CUT,
    Problem,
    describe,
    is_too_large,
    problem_in,
    response_hint,
    tls_hint,
)
from advertisex.stores.elasticsearch.retry import Backoff, RetryPolicy
from advertisex.stores.interruptible import GivenUp, interruptible

#: Temporary failures: a busy cluster, gateway errors, a starting node.
TRANSIENT = frozenset({408, 429, 502, 503, 504})
#: The status that asks for fewer requests.
BUSY = HTTPStatus.TOO_MANY_REQUESTS
#: The status for a request that is too large; also returned for one that a busy cluster can never accept.
TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the server."""

    status: int
    data: bytes

    def json(self) -> Any:
        """The decoded body."""
        return msgspec.json.decode(self.data)


class Connection:
    """Requests to one cluster, from any thread.

    Args:
        address: of the cluster, with user and password.
        settings: API key, CA file and number of parallel requests.
        retry: timeouts and pauses.
        transport: creates the node that sends the requests.
    """

    def __init__(
        self,
        address: Address,
        settings: ElasticsearchSettings,
        retry: RetryPolicy = RetryPolicy(),
        transport: Callable[[NodeConfig], BaseNode] = Urllib3HttpNode,
    ) -> None:
        self.address = address
        self._retry = retry
        self.interrupted = threading.Event()
        self.retries = 0
        self._counting = threading.Lock()
        self._answered = False
        try:
            self._node = transport(_node_config(address, settings))
        except LocationValueError:
            raise _invalid_url() from None

    def backoff(self, what: str, seconds: float | None, stop: threading.Event | None = None) -> Backoff:
        """A `Backoff` for retrying `what` for `seconds`, or indefinitely; an interrupt ends it."""
        stops = [self.interrupted, *([stop] if stop else [])]
        return Backoff(what, str(self.address), self._retry, seconds, stops, self._count_retry)

    def request(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        what: str = "read the event store",
        accept: Collection[int] = (),
        backoff: Backoff | None = None,
    ) -> Answer:
        """Send a request, retry it where that can help, and return the response.

        Args:
            method: HTTP method.
            path: path with its query string.
            body: bytes are sent unchanged (lines of a bulk request), anything else as JSON.
            what: purpose of the request, for messages.
            accept: error statuses that the caller handles.
            backoff: how long to retry; by default as long as the policy allows for a query.

        Raises:
            StoreError: the request failed permanently.
            StoreInterrupted: an interrupt ended it.
        """
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        backoff = backoff or self.backoff(what, self._retry.query)
        send = partial(
            self._node.perform_request, method, path, data, headers=_headers(kind), request_timeout=self._retry.request
        )
        while True:
            try:
                meta, raw = interruptible(send, self.interrupted, self._retry.grace)
            except GivenUp:
                raise backoff.given_up() from None
            except LocationValueError:  # found when the connection is made
                raise _invalid_url() from None
            except (NotConnected, ConnectionTimeout, OSError, HTTPError) as error:
                self._raise_if_permanent(what, error)
                backoff.pause(self._why(error))
                continue
            self._answered = True
            if method != "HEAD" and not raw and _ended_early(meta.headers):
                backoff.pause(CUT)
                continue
            if meta.status < HTTPStatus.MULTIPLE_CHOICES or meta.status in accept:
                return Answer(meta.status, raw)
            problem = problem_in(raw, meta.status)
            if meta.status == BUSY and TOO_LARGE in accept and is_too_large(problem, len(data or b"")):
                return Answer(TOO_LARGE, raw)
            if meta.status not in TRANSIENT:
                raise self.failure(what, meta.status, problem)
            why = f"{meta.status} {problem}"
            backoff.pause(why, busy=meta.status == BUSY, at_least=self._asked_to_wait(meta.headers))

    def failure(self, what: str, status: int, problem: Problem) -> StoreError:
        """The exception for a response that a retry cannot fix."""
        hint = response_hint(status, problem, self.address.path)
        return StoreError(
            f"cannot {what}: Elasticsearch returned {status}: {problem}", where=str(self.address), hint=hint
        )

    def close(self) -> None:
        """Close all connections to the cluster."""
        self._node.close()

    def _count_retry(self) -> None:
        with self._counting:
            self.retries += 1

    def _asked_to_wait(self, headers: Mapping[str, str]) -> float:
        try:
            return min(max(float(headers.get("retry-after", 0)), 0.0), self._retry.longest_busy_pause)
        except ValueError:
            return 0.0

    def _raise_if_permanent(self, what: str, error: Exception) -> None:
        if hint := tls_hint(error):
            why = f"TLS connection failed: {describe(error)}"
            raise StoreError(f"cannot {what}: {why}", where=str(self.address), hint=hint) from error

    def _why(self, error: Exception) -> str:
        if isinstance(error, ConnectionTimeout):
            return f"no response within {self._retry.request:g} s"
        reason = describe(error)
        if reason == CUT and not self._answered and not self.address.secure:
            return f"{CUT} (if the server uses TLS, use elasticsearch+https://)"
        return reason


def _node_config(address: Address, settings: ElasticsearchSettings) -> NodeConfig:
    login: dict[str, str] = {}
    if settings.api_key is not None:
        login["authorization"] = f"ApiKey {settings.api_key.get_secret_value()}"
    elif address.user:
        login["authorization"] = basic_auth_to_header((address.user, address.password))
    if settings.ca_file is not None:
        _check_authority(settings.ca_file)
    try:
        return NodeConfig(
            scheme="https" if address.secure else "http",
            host=address.host,
            port=address.port,
            path_prefix=address.path,
            headers=login,
            connections_per_node=settings.parallel + 4,
            ca_certs=str(settings.ca_file) if settings.ca_file and address.secure else None,
        )
    except ValueError:
        raise _invalid_url() from None


def _invalid_url() -> ConfigurationError:
    return ConfigurationError(
        "invalid URL of the Elasticsearch store",
        hint="check the host name; use elasticsearch://user:password@host:9200",
        setting=("store", "url"),
    )


def _check_authority(file: Path) -> None:
    """Check that a CA file can be loaded, instead of failing on every request.

    Raises:
        ConfigurationError: the file does not exist, or contains no certificate.
    """
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        why = "the file contains no certificate" if isinstance(error, ssl.SSLError) else reason_of(error)
        raise ConfigurationError(
            f"setting elasticsearch.ca_file: {why}",
            where=str(file),
            hint="set it to the PEM file of the authority that signed the cluster's certificate",
            setting=("elasticsearch", "ca_file"),
        ) from error


def _headers(kind: str) -> HttpHeaders:
    return HttpHeaders({"content-type": kind, "accept": "application/json"})


def _ended_early(headers: Mapping[str, str]) -> bool:
    """Whether an empty response was cut off within its headers, which `http.client` takes for their end."""
    return not headers.get("content-length") and "chunked" not in headers.get("transfer-encoding", "")
