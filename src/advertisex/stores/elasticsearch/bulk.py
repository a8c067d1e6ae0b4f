"""Bulk writes to Elasticsearch: bodies as bytes, several requests in flight, and the result of every item evaluated.

A bulk request can succeed as a whole with failed items inside. An item is written, in conflict (the id exists), or
rejected for its content. Only a document that is known to exceed a limit (`mappings.unstorable`) can be rejected: any
other error stops the commit, and so does a status 200 for a document that was not written. Items that fail temporarily
are sent again, on their own.
"""

import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

import msgspec

from advertisex.errors import StoreError
from advertisex.stores.elasticsearch.bulk_lines import BulkLines
from advertisex.stores.elasticsearch.client import BUSY, TOO_LARGE, TRANSIENT, Connection
from advertisex.stores.elasticsearch.documents import not_written
from advertisex.stores.elasticsearch.failures import Problem

_WHAT = "write to the event store"
_QUERY = "filter_path=errors,items.*.status,items.*.result,items.*.error"
_DELETED_AT_ONCE = 10_000
#: A server that rejects a request of fewer bytes as too large does not do so because of the document.
_LARGE = 10_000
#: What each operation does to a document that it writes.
_DONE = {
    "create": frozenset({"created"}),
    "index": frozenset({"created", "updated"}),
    "update": frozenset({"updated", "noop"}),
    "delete": frozenset({"deleted", "not_found"}),
}
#: What can be done about a request that is too large.
TOO_LARGE_HINT = (
    "raise http.max_content_length of Elasticsearch, its heap or indexing_pressure.memory.limit, or the limit of the "
    "gateway in front of it"
)
#: The document to update does not exist; ignored.
_GONE = "document_missing_exception"
T = TypeVar("T")


class _Item(msgspec.Struct):
    status: int
    result: str = ""
    error: Problem | None = None


class _BulkAnswer(msgspec.Struct):
    errors: bool
    items: list[dict[str, _Item]]


_decode = msgspec.json.Decoder(_BulkAnswer).decode


@dataclass(slots=True)
class BulkResult:
    """Rows of a request that were not written.

    Attributes:
        conflicts: rows whose id exists (create) or that another writer changed (update).
        rejected: rows rejected for their content, each with the reason.
    """

    conflicts: list[int]
    rejected: list[tuple[int, str]]


def send(
    connection: Connection,
    index: str,
    lines: BulkLines,
    rows: Sequence[int],
    stop: threading.Event,
    unstorable: Container[int] = (),
) -> BulkResult:
    """Send rows until each has a final result.

    Args:
        connection: connection to the cluster.
        index: name of the index.
        lines: the operations.
        rows: the numbers of those to send.
        stop: ends the retries.
        unstorable: rows that exceed a limit of Elasticsearch, which it rejects for their content.

    Raises:
        StoreError: a request or an item failed permanently, for a reason other than its content; some rows may be
            written.
    """
    result = BulkResult([], [])
    backoff = connection.backoff(_WHAT, None, stop)
    waiting: deque[Sequence[int]] = deque([rows])
    while waiting:
        rows = waiting.popleft()
        answer = connection.request(
            "POST", f"/{quote(index)}/_bulk?{_QUERY}", lines.body(rows), what=_WHAT, accept={TOO_LARGE}, backoff=backoff
        )
        if answer.status == TOO_LARGE:
            if len(rows) == 1:
                if len(lines.body(rows)) < _LARGE:
                    raise _too_small(connection, len(lines.body(rows)))
                result.rejected.append((rows[0], "larger than the cluster accepts (413)"))
            else:
                waiting.extendleft((rows[len(rows) // 2 :], rows[: len(rows) // 2]))
            continue
        items = _items(connection, answer.data, len(rows))
        again, why, busy = _triage(connection, index, items, rows, unstorable, result)
        if again:
            if len(again) < len(rows):
                backoff.progressed()
            backoff.pause(why, busy=busy)
            waiting.appendleft(again)
    backoff.done()
    return result


def _items(connection: Connection, data: bytes, expected: int) -> list[tuple[str, _Item]]:
    """The operation and the result of each row."""
    try:
        answer = _decode(data)
    except msgspec.MsgspecError as error:
        raise _unexpected_response(connection) from error
    items = [item for one in answer.items for item in one.items()]
    if len(items) != expected:
        raise _unexpected_response(connection)
    return items


def _too_small(connection: Connection, size: int) -> StoreError:
    return StoreError(
        f"cannot {_WHAT}: the server rejects a request of {size:,} bytes as too large (413)",
        where=str(connection.address),
        hint=TOO_LARGE_HINT,
    )


def _unexpected_response(connection: Connection) -> StoreError:
    return StoreError(
        "unexpected response to a bulk request: the server is not Elasticsearch",
        where=str(connection.address),
        hint="check the host and port in --store",
    )


def _triage(
    connection: Connection,
    index: str,
    items: Sequence[tuple[str, _Item]],
    rows: Sequence[int],
    unstorable: Container[int],
    result: BulkResult,
) -> tuple[list[int], str, bool]:
    """Evaluate every item, and add conflicts and rejected rows to `result`.

    Returns:
        The rows to send again, the reason, and whether the cluster asks for fewer requests.
    """
    again, why, busy = [], "", False
    for row, (operation, item) in zip(rows, items, strict=True):
        if item.status < HTTPStatus.MULTIPLE_CHOICES:
            if item.result not in _DONE[operation]:
                raise not_written(connection, f"{_WHAT} (index {index})", item.status, item.result)
            continue
        problem = item.error or Problem(reason="no reason given")
        if problem.type == _GONE:
            continue
        if item.status == HTTPStatus.CONFLICT:
            result.conflicts.append(row)
        elif item.status in TRANSIENT:
            again.append(row)
            why = f"{item.status} {problem}"
            busy |= item.status == BUSY
        elif item.status == HTTPStatus.BAD_REQUEST and row in unstorable:
            result.rejected.append((row, str(problem)))
        else:
            raise connection.failure(f"{_WHAT} (index {index})", item.status, problem)
    return again, why, busy


def delete_documents(connection: Connection, names: Iterable[tuple[str, str]]) -> None:
    """Delete documents, given as index and id, until all are gone.

    Raises:
        StoreError: the cluster rejected a deletion; some documents may be deleted.
    """
    left = iter(names)
    while waiting := list(islice(left, _DELETED_AT_ONCE)):
        backoff = connection.backoff(_WHAT, None)
        while waiting:
            actions = (msgspec.json.encode({"delete": {"_index": index, "_id": name}}) for index, name in waiting)
            body = b"\n".join(actions) + b"\n"
            data = connection.request("POST", f"/_bulk?{_QUERY}", body, what=_WHAT, backoff=backoff).data
            again = []
            for what, (operation, item) in zip(waiting, _items(connection, data, len(waiting)), strict=True):
                problem = item.error or Problem(reason="no reason given")
                if item.status in TRANSIENT:
                    again.append((what, problem))
                elif item.result not in _DONE[operation]:
                    raise connection.failure(f"{_WHAT} (index {what[0]})", item.status, problem)
            waiting = [what for what, _ in again]
            if again:
                backoff.pause(str(again[0][1]))
        backoff.done()


class BulkPool:
    """A thread pool for bulk requests; bounds how many bodies are in memory.

    Args:
        parallel: number of concurrent requests.
    """

    def __init__(self, parallel: int) -> None:
        self._prefetch = parallel + 1
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="elasticsearch")

    def run(self, jobs: Iterable[Callable[[threading.Event], T]]) -> Iterator[T]:
        """Run all jobs and yield their results in order. The first failure stops the others, through the event."""
        stop = threading.Event()
        under_way: deque[Future[T]] = deque()
        try:
            for job in jobs:
                if len(under_way) >= self._prefetch:
                    yield under_way.popleft().result()
                under_way.append(self._pool.submit(job, stop))
            while under_way:
                yield under_way.popleft().result()
        finally:
            stop.set()
            for future in under_way:
                future.cancel()

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
