"""The connection to Elasticsearch: how we log in, which answers are tried again, and what the others mean.

The official client's transport is used without the client on top: it hands over answers as bytes, and asks nothing
of the server that a cluster behind a gateway may not answer (`GET /`).
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec
from elastic_transport import ConnectionError as NotConnected
from elastic_transport import ConnectionTimeout, HttpHeaders, NodeConfig, Urllib3HttpNode
from elastic_transport.client_utils import basic_auth_to_header

from advertisex.errors import ConfigurationError, StoreError
from advertisex.settings import ElasticsearchSettings
from advertisex.stores.elasticsearch_address import Address
from advertisex.stores.elasticsearch_patience import LONGEST_BUSY_PAUSE, Backoff
from advertisex.stores.elasticsearch_tls import check_authority, plain_reason, tls_hint
from advertisex.stores.interruptible import GivenUp, interruptible

#: Seconds without an answer before a request counts as lost. Retrying is safe, but loads a busy cluster once more.
REQUEST_TIMEOUT = 60.0
#: For so long a question is tried again. A commit is tried until it succeeds.
BACKOFF = 10.0

#: The cluster is busy or away, and will be back: busy, gateway errors, a node that is starting.
TRANSIENT = frozenset({408, 429, 502, 503, 504})
#: Of these, the one that asks for fewer requests.
BUSY = HTTPStatus.TOO_MANY_REQUESTS
#: How a path that leads nowhere is answered, by Elasticsearch or by a gateway before it.
_NO_SUCH_PATH = frozenset({400, 404, 405})
_CUT = "the connection was cut"
_LONGEST_CAUSE, _LONGEST_PROBLEM = 160, 500


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
        if len(causes) > 1:  # the first may quote a long value, and another says what is wrong with it
            causes = [cause[:_LONGEST_CAUSE] for cause in causes]
        return ": ".join(dict.fromkeys(causes))[:_LONGEST_PROBLEM]


class Connection:
    """Requests to one cluster, from any thread.

    Args:
        address: where it is.
        settings: how to log in, and how many requests may be under way.
    """

    def __init__(self, address: Address, settings: ElasticsearchSettings) -> None:
        self.address = address
        self.interrupted = threading.Event()
        self.retries = 0
        self._counting = threading.Lock()
        self._answered = False
        self._node = Urllib3HttpNode(_node_config(address, settings))

    def backoff(self, what: str, seconds: float | None, stop: threading.Event | None = None) -> Backoff:
        """For trying `what` again; see `Patience`."""
        return Backoff(what, self.address, seconds, [self.interrupted, *([stop] if stop else [])], self._count_retry)

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
        """Send a request, again where that can help, and return its answer.

        Args:
            method: of HTTP.
            path: with its query.
            body: bytes are sent as they are (lines of a bulk), anything else as JSON.
            what: we want to do, for messages.
            accept: statuses of failure that the caller handles.
            backoff: how long it is tried again.

        Raises:
            StoreError: it failed for good.
            StoreInterrupted: an interrupt ended it.
        """
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        backoff = backoff or self.backoff(what, BACKOFF)
        send = partial(
            self._node.perform_request, method, path, data, headers=_headers(kind), request_timeout=REQUEST_TIMEOUT
        )
        while True:
            try:
                meta, raw = interruptible(send, self.interrupted)
            except GivenUp:
                raise backoff.given_up() from None
            except (NotConnected, ConnectionTimeout, OSError) as error:
                self._raise_if_for_good(what, error)
                backoff.pause(self._why(error))
                continue
            self._answered = True
            if method != "HEAD" and not raw and _ended_early(meta.headers):
                backoff.pause(_CUT)
                continue
            if meta.status < HTTPStatus.MULTIPLE_CHOICES or meta.status in accept:
                return Answer(meta.status, raw)
            if meta.status not in TRANSIENT:
                raise self.failure(what, meta.status, problem_in(raw, meta.status))
            why = f"{meta.status} {problem_in(raw, meta.status)}"
            backoff.pause(why, busy=meta.status == BUSY, at_least=_asked_to_wait(meta.headers))

    def failure(self, what: str, status: int, problem: Problem) -> StoreError:
        """The error for an answer that no retry mends."""
        hint = ""
        if "cluster_block" in problem.type:
            hint = "lift the block on that index (setting index.blocks.*), then run this again"
        elif status == HTTPStatus.UNAUTHORIZED:
            hint = "check the user and password in the URL, or the setting elasticsearch.api_key"
        elif status == HTTPStatus.FORBIDDEN:
            hint = "give this user the role that docs/cluster.md has for it under Rights"
        elif "maximum" in str(problem) and "shards" in str(problem):
            hint = "set elasticsearch.period to month, delete indices, or raise cluster.max_shards_per_node"
        elif problem.type == "index_not_found_exception":
            hint = "it was deleted: restore it from a snapshot, or set elasticsearch.prefix to begin a new store"
        elif self.address.path and status in _NO_SUCH_PATH:
            hint = f"is {self.address.path} the path of a gateway? if not, leave it out of the URL in --store"
        return StoreError(
            f"cannot {what}: Elasticsearch answers {status}: {problem}", where=str(self.address), hint=hint
        )

    def close(self) -> None:
        """Close its connections."""
        self._node.close()

    def _count_retry(self) -> None:
        with self._counting:
            self.retries += 1

    def _raise_if_for_good(self, what: str, error: Exception) -> None:
        if hint := tls_hint(error):
            why = f"no secure connection: {_plainly(error)}"
            raise StoreError(f"cannot {what}: {why}", where=str(self.address), hint=hint) from error

    def _why(self, error: Exception) -> str:
        plainly = _plainly(error)
        if plainly == _CUT and not self._answered and not self.address.secure:
            return f"{_CUT} (does it speak TLS? then write elasticsearch+https://)"
        return plainly


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
    if settings.ca_file is not None:
        check_authority(settings.ca_file)
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
        return min(max(float(headers.get("retry-after", 0)), 0.0), LONGEST_BUSY_PAUSE)
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
    return plain_reason(said).splitlines()[0][:200] if said else type(error).__name__
