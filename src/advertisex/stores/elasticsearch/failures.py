"""Why requests to Elasticsearch fail: connection errors and error responses as readable messages with hints."""

import re
import ssl
from collections.abc import Iterator
from http import HTTPStatus

import msgspec
from elastic_transport import TlsError

from advertisex.masking import masked
from advertisex.reasons import unexpected

CUT = "connection closed unexpectedly"
_LONGEST_CAUSE, _LONGEST_PROBLEM = 160, 500
#: Statuses for an unknown path, from Elasticsearch or from a gateway in front of it.
_UNKNOWN_PATH = frozenset({400, 404, 405})
_TOO_LARGE = re.compile(r"larger than the limit of \[([0-9]+)/|max_(?:coordinating|primary)[a-z_]*_bytes=([0-9]+)")
#: The blocks on an index, by their numbers in messages.
_BLOCKS = {5: "read_only", 7: "read", 8: "write", 9: "metadata", 12: "read_only_allow_delete"}
#: The same on the whole cluster.
_CLUSTER_BLOCKS = {6: "read_only", 10: "create_index", 13: "read_only_allow_delete"}
#: Settings of an index that are too low for a search, by a part of the message.
_SEARCH_LIMITS = {
    "Result window is too large": "max_result_window",
    "The number of terms": "max_terms_count",
}
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
#: What a failed TLS connection means, by a part of the message; the first match counts.
_TLS_REASONS = {
    "Hostname mismatch": "the certificate is not valid for this host name",
    "IP address mismatch": "the certificate is not valid for this address",
    "has expired": "the certificate has expired",
    "self-signed": "the certificate is self-signed",
    "CERTIFICATE_VERIFY_FAILED": "the certificate is of an unknown authority",
    "WRONG_VERSION_NUMBER": "the server does not use TLS",
    "RECORD_LAYER_FAILURE": "the server does not use TLS",
    "timed out": "no response",
    "unreachable": "the network is unreachable",
}


class _Shard(msgspec.Struct):
    index: str = ""


class Problem(msgspec.Struct):
    """An error object of Elasticsearch."""

    type: str = ""
    reason: str | None = None
    caused_by: "Problem | None" = None
    root_cause: list["Problem"] = []
    index: str = ""
    failed_shards: list[_Shard] = []

    def __str__(self) -> str:
        if setting := _too_low(self):
            return f"the setting index.{setting} is too low"
        reason = (
            f"index {self.index} is closed" if self.type == "index_closed_exception" and self.index else self.reason
        )
        causes, at = [reason or self.type], self.caused_by
        while at:
            causes.append(at.reason or at.type)
            at = at.caused_by
        if len(causes) > 1:  # the first may quote a long value, and a later one explains it
            causes = [cause[:_LONGEST_CAUSE] for cause in causes]
        return masked(": ".join(dict.fromkeys(causes)))[:_LONGEST_PROBLEM]


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


def is_too_large(problem: Problem, size: int) -> bool:
    """Whether a request of this size in bytes can never be accepted, although the status asks for a retry (429).

    The limits on what is indexed at once, and on the memory of a request, are fractions of a node's heap.
    """
    found = (_TOO_LARGE.search(one.reason or "") for one in _chain(problem))
    return any(size > int(limit[1] or limit[2]) for limit in found if limit)


def response_hint(status: int, problem: Problem, path: str) -> str:
    """A hint for a response that a retry cannot fix; `path` is that of the store's URL."""
    hint = ""
    if "cluster_block" in problem.type:
        hint = _unblock(str(problem))
    elif setting := _too_low(problem):
        index = next((shard.index for shard in problem.failed_shards), "INDEX")
        hint = f'remove it: PUT /{index}/_settings {{"index.{setting}": null}}'
    elif problem.type == "index_closed_exception":
        hint = f"open it: POST /{problem.index or 'INDEX'}/_open"
    elif status == HTTPStatus.UNAUTHORIZED:
        hint = "check the user and password in the URL, or the setting elasticsearch.api_key"
    elif status == HTTPStatus.FORBIDDEN:
        hint = "give this user the role described in docs/cluster.md under Permissions"
    elif "maximum" in str(problem) and "shards" in str(problem):
        hint = "set elasticsearch.period to month, or raise cluster.max_shards_per_node"
    elif problem.type == "index_not_found_exception":
        hint = "it was deleted: restore it from a snapshot, or run `advertisex rebuild`"
    elif path and status in _UNKNOWN_PATH:
        hint = f"remove {path} from the URL in --store, unless it is the path of a gateway"
    return hint


def _unblock(reason: str) -> str:
    """How to remove the block that a message names."""
    index = re.search(r"index \[([^\]]+)\]", reason)
    number = re.search(r"/([0-9]+)/", reason)
    block = int(number[1]) if number else 0
    if block in _CLUSTER_BLOCKS:
        return unblock_cluster(_CLUSTER_BLOCKS[block])
    again = "; if a rebuild was interrupted, run `advertisex rebuild` again"
    if index and block in _BLOCKS:
        return unblock(index[1], _BLOCKS[block]) + again
    return "remove the block (a setting index.blocks.* or cluster.blocks.*)" + again


def unblock(index: str, block: str) -> str:
    """How to remove a block on an index."""
    if block == "read_only_allow_delete":
        return f"free disk space in the cluster, which then removes the block on {index}"
    return f'remove the block: PUT /{index}/_settings {{"index.blocks.{block}": null}}'


def unblock_cluster(block: str) -> str:
    """How to remove a block on the whole cluster."""
    null = f'{{"cluster.blocks.{block}": null}}'
    return f'remove the block: PUT /_cluster/settings {{"persistent": {null}, "transient": {null}}}'


def _too_low(problem: Problem) -> str | None:
    """The setting of an index that is too low for a search, or None."""
    reasons = [one.reason or "" for one in _chain(problem)]
    return next((name for sign, name in _SEARCH_LIMITS.items() if any(sign in why for why in reasons)), None)


def _chain(problem: Problem) -> Iterator[Problem]:
    """A problem and all its causes."""
    yield problem
    for cause in (*problem.root_cause, *([problem.caused_by] if problem.caused_by else [])):
        yield from _chain(cause)


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
    return next((why for sign, why in _TLS_REASONS.items() if sign in text), "") or unexpected(error)
