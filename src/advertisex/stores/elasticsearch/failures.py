"""Why requests to Elasticsearch fail: connection errors and error responses as readable messages with hints."""

import re
import ssl
from http import HTTPStatus

import msgspec
from elastic_transport import TlsError

CUT = "connection closed unexpectedly"
_LONGEST_CAUSE, _LONGEST_PROBLEM = 160, 500
#: Statuses for an unknown path, from Elasticsearch or from a gateway in front of it.
_UNKNOWN_PATH = frozenset({400, 404, 405})
_TLS_REASON = re.compile(r"\[\w+: \w+\] (.+?)\.? \(_ssl\.c")
#: Hints for TLS connections that a retry cannot fix, by a part of the message; the first match counts.
_TLS_HINTS = {
    "Hostname mismatch": "use the host name of the certificate in --store",
    "IP address mismatch": "use the host name of the certificate in --store",
    "has expired": "renew the cluster's certificate, or correct the clock of this machine",
    "CERTIFICATE_VERIFY_FAILED": "set elasticsearch.ca_file to the PEM file of the authority that signed the "
    "cluster's certificate",
    "WRONG_VERSION_NUMBER": "the server does not use TLS: use elasticsearch://",
    "RECORD_LAYER_FAILURE": "the server does not use TLS: use elasticsearch://",
}


class Problem(msgspec.Struct):
    """An error object of Elasticsearch."""

    type: str = ""
    reason: str | None = None
    caused_by: "Problem | None" = None
    root_cause: list["Problem"] = []

    def __str__(self) -> str:
        causes, at = [self.reason or self.type], self.caused_by
        while at:
            causes.append(at.reason or at.type)
            at = at.caused_by
        if len(causes) > 1:  # the first may quote a long value, and a later one explains it
            causes = [cause[:_LONGEST_CAUSE] for cause in causes]
        return ": ".join(dict.fromkeys(causes))[:_LONGEST_PROBLEM]


def problem_in(raw: bytes, status: int) -> Problem:
    """The error in a response, or the phrase for its status if it contains none."""
    try:
        found = msgspec.json.decode(raw).get("error")
        return msgspec.convert(found if isinstance(found, dict) else {"reason": str(found)}, Problem)
    except (msgspec.MsgspecError, AttributeError):
        try:
            return Problem(reason=HTTPStatus(status).phrase)
        except ValueError:
            return Problem(reason="no reason given")


def response_hint(status: int, problem: Problem, path: str) -> str:
    """A hint for a response that a retry cannot fix; `path` is that of the store's URL."""
    hint = ""
    if "cluster_block" in problem.type:
        hint = (
            "run `advertisex rebuild` again if one was interrupted; "
            "otherwise remove the block on that index (setting index.blocks.*)"
        )
    elif status == HTTPStatus.UNAUTHORIZED:
        hint = "check the user and password in the URL, or the setting elasticsearch.api_key"
    elif status == HTTPStatus.FORBIDDEN:
        hint = "give this user the role described in docs/cluster.md under Permissions"
    elif "maximum" in str(problem) and "shards" in str(problem):
        hint = "set elasticsearch.period to month, delete indices, or raise cluster.max_shards_per_node"
    elif problem.type == "index_not_found_exception":
        hint = "it was deleted: restore it from a snapshot, or set elasticsearch.prefix to start a new store"
    elif path and status in _UNKNOWN_PATH:
        hint = f"remove {path} from the URL in --store, unless it is the path of a gateway"
    return hint


def tls_hint(error: Exception) -> str:
    """A hint for a failed TLS connection; "" if a retry may help."""
    if not isinstance(error, TlsError | ssl.SSLError):
        return ""
    return next((hint for sign, hint in _TLS_HINTS.items() if sign in str(error)), "")


def describe(error: Exception) -> str:
    """A connection error in a few words."""
    text = str(error)
    if "refused" in text:
        return "connection refused"
    if any(sign in text for sign in ("Name or service not known", "nodename", "resolve", "getaddrinfo")):
        return "unknown host name"
    if any(sign in text for sign in ("reset", "aborted", "Broken pipe", "IncompleteRead", "RemoteDisconnected")):
        return CUT
    found = _TLS_REASON.search(text)
    reason = found[1] if found else text
    return reason.splitlines()[0][:200] if reason else type(error).__name__
