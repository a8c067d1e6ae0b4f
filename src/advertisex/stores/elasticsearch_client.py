"""The connection to Elasticsearch: how we log in, which answers are tried again, and what the others mean.

The official client's transport is used without the client on top: it hands over answers as bytes, and asks nothing
of the server that a cluster behind a gateway may not answer (`GET /`).
"""

import ssl
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from elastic_transport import ConnectionError as NotConnected
from elastic_transport import ConnectionTimeout, HttpHeaders, NodeConfig, TlsError, Urllib3HttpNode
from elastic_transport.client_utils import basic_auth_to_header

from advertisex.errors import ConfigurationError, StoreError
from advertisex.settings import ElasticsearchSettings
from advertisex.stores.elasticsearch_address import Address
from advertisex.stores.elasticsearch_patience import LONGEST_PAUSE, Patience

#: Seconds without an answer before a request counts as lost. Retrying is safe, but loads a busy cluster once more.
REQUEST_TIMEOUT = 60.0
#: For so long a question is tried again. A commit is tried until it succeeds.
PATIENCE = 10.0

#: The cluster is busy or away, and will be back: busy, gateway errors, a node that is starting.
TRANSIENT = frozenset({408, 429, 502, 503, 504})
_CUT = "the connection was cut"
#: No retry mends these; the certificate or the scheme has to change.
_TLS_FOR_GOOD = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "doesn't match", "UNKNOWN_CA")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    data: bytes

    def json(self) -> Any:
        """The answer, decoded."""
        return msgspec.json.decode(self.data)


class Problem(msgspec.Struct):
    """An error as Elasticsearch describes it."""

    type: str = ""
    reason: str | None = None
    caused_by: "Problem | None" = None
    root_cause: list["Problem"] = []

    def __str__(self) -> str:
        causes, at = [self.reason or self.type], self.caused_by
        while at:
            causes.append(at.reason or at.type)
            at = at.caused_by
        return ": ".join(dict.fromkeys(causes))[:500]


class Connection:
    """Requests to one cluster, from any thread.

    Args:
        address: where it is.
        settings: how to log in, and how many requests may be under way.
    """

    def __init__(self, address: Address, settings: ElasticsearchSettings) -> None:
        self.address = address
        self.interrupted = threading.Event()
        self._node = Urllib3HttpNode(_node_config(address, settings))

    def patience(self, what: str, seconds: float | None, stop: threading.Event | None = None) -> Patience:
        """For trying `what` again; see `Patience`."""
        return Patience(what, self.address, seconds, [self.interrupted, *([stop] if stop else [])])

    def request(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        what: str = "read the event store",
        accept: Collection[int] = (),
        patience: Patience | None = None,
    ) -> Answer:
        """Send a request, again where that can help, and return its answer.

        Args:
            method: of HTTP.
            path: with its query.
            body: bytes are sent as they are (lines of a bulk), anything else as JSON.
            what: we want to do, for messages.
            accept: statuses of failure that the caller handles.
            patience: how long it is tried again.

        Raises:
            StoreError: it failed for good.
        """
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        patience = patience or self.patience(what, PATIENCE)
        while True:
            try:
                meta, raw = self._node.perform_request(
                    method, path, data, headers=_headers(kind), request_timeout=REQUEST_TIMEOUT
                )
            except (NotConnected, ConnectionTimeout, OSError) as error:
                self._raise_if_for_good(what, error)
                patience.pause(_plainly(error))
                continue
            if method != "HEAD" and not raw and _ended_early(meta.headers):
                patience.pause(_CUT)
                continue
            if meta.status < HTTPStatus.MULTIPLE_CHOICES or meta.status in accept:
                return Answer(meta.status, raw)
            if meta.status not in TRANSIENT:
                raise self.failure(what, meta.status, problem_in(raw, meta.status))
            patience.pause(f"{meta.status} {problem_in(raw, meta.status)}", at_least=_asked_to_wait(meta.headers))

    def failure(self, what: str, status: int, problem: Problem) -> StoreError:
        """The error for an answer that no retry mends."""
        mend = ""
        if "cluster_block" in problem.type:
            mend = "lift the block on that index (setting index.blocks.*), then run this again"
        elif status == HTTPStatus.UNAUTHORIZED:
            mend = "check the user and password in the URL, or the setting elasticsearch.api_key"
        elif status == HTTPStatus.FORBIDDEN:
            mend = "give this user the rights to manage index templates, and to create, read and write these indices"
        elif "maximum" in str(problem) and "shards" in str(problem):
            mend = "set elasticsearch.period to month, delete indices, or raise cluster.max_shards_per_node"
        return StoreError(
            f"cannot {what}: Elasticsearch answers {status}: {problem}", where=str(self.address), mend=mend
        )

    def close(self) -> None:
        """Close its connections."""
        self._node.close()

    def _raise_if_for_good(self, what: str, error: Exception) -> None:
        said = str(error)
        if isinstance(error, TlsError | ssl.SSLError) and any(sign in said for sign in _TLS_FOR_GOOD):
            raise StoreError(
                f"cannot {what}: no secure connection: {_plainly(error)}",
                where=str(self.address),
                mend="name the authority's PEM file in elasticsearch.ca_file; elasticsearch+https:// is for TLS",
            ) from error


def problem_in(raw: bytes, status: int) -> Problem:
    """The error that an answer describes, or what can be said of it."""
    try:
        found = msgspec.json.decode(raw).get("error")
        return msgspec.convert(found if isinstance(found, dict) else {"reason": str(found)}, Problem)
    except (msgspec.MsgspecError, AttributeError):
        try:
            return Problem(reason=HTTPStatus(status).phrase)
        except ValueError:
            return Problem(reason="no reason is given")


def _node_config(address: Address, settings: ElasticsearchSettings) -> NodeConfig:
    login: dict[str, str] = {}
    if settings.api_key is not None:
        login["authorization"] = f"ApiKey {settings.api_key.get_secret_value()}"
    elif address.user:
        login["authorization"] = basic_auth_to_header((address.user, address.password))
    if settings.ca_file is not None and not settings.ca_file.is_file():
        raise ConfigurationError(
            "setting elasticsearch.ca_file: there is no such file",
            where=str(settings.ca_file),
            mend="name the PEM file of the authority that signed the cluster's certificate",
        )
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
    except ValueError as error:
        raise ConfigurationError(f"the URL of the Elasticsearch store is wrong: {error}") from None


def _headers(kind: str) -> HttpHeaders:
    return HttpHeaders({"content-type": kind, "accept": "application/json"})


def _asked_to_wait(headers: Mapping[str, str]) -> float:
    try:
        return min(max(float(headers.get("retry-after", 0)), 0.0), LONGEST_PAUSE)
    except ValueError:
        return 0.0


def _ended_early(headers: Mapping[str, str]) -> bool:
    """Whether an answer without a body was cut among its headers, which `http.client` takes for their end."""
    return not headers.get("content-length") and "chunked" not in headers.get("transfer-encoding", "")


def _plainly(error: Exception) -> str:
    """What happened to a connection, in words."""
    said = str(error)
    if isinstance(error, ConnectionTimeout):
        return f"no answer within {REQUEST_TIMEOUT:g} s"
    if "refused" in said:
        return "connection refused"
    if any(sign in said for sign in ("Name or service not known", "nodename", "resolve", "getaddrinfo")):
        return "its host name is not known"
    if any(sign in said for sign in ("reset", "aborted", "Broken pipe", "IncompleteRead", "RemoteDisconnected")):
        return _CUT
    return said.splitlines()[0][:200] if said else type(error).__name__
