"""Bulk writes to Elasticsearch: bodies as bytes, several requests in flight, and the result of every item evaluated.

A bulk request can succeed as a whole with failed items inside. An item is written, in conflict (the id exists), or
rejected for its content; any error that is not the document's fault stops the commit. Items that fail temporarily are
sent again, on their own.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import TypeVar
from urllib.parse import quote

import msgspec

from advertisex.errors import StoreError
from advertisex.stores.elasticsearch.bulk_lines import BulkLines
from advertisex.stores.elasticsearch.client import BUSY, TRANSIENT, Connection
from advertisex.stores.elasticsearch.failures import Problem

_WHAT = "write to the event store"
_QUERY = "filter_path=errors,items.*.status,items.*.error"
_DELETE_QUERY = "filter_path=items.*.status,items.*.error"
_DELETED_AT_ONCE = 10_000
#: Errors with status 400 that the document did not cause: it would be wrong to reject every event of the batch.
_NOT_CAUSED_BY_DOCUMENT = frozenset(
    {
        "strict_dynamic_mapping_exception",
        "index_closed_exception",
        "invalid_index_name_exception",
        "validation_exception",
        "cluster_block_exception",
        "action_request_validation_exception",
    }
)
#: The document to update does not exist; ignored.
_GONE = "document_missing_exception"
T = TypeVar("T")


class _Item(msgspec.Struct):
    status: int
    error: Problem | None = None


class _BulkAnswer(msgspec.Struct):
    errors: bool
    items: list[dict[str, _Item]] = []


class _Deleted(msgspec.Struct):
    delete: _Item


class _DeleteAnswer(msgspec.Struct):
    items: list[_Deleted]


_decode_deleted = msgspec.json.Decoder(_DeleteAnswer).decode
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
    connection: Connection, index: str, lines: BulkLines, rows: Sequence[int], stop: threading.Event
) -> BulkResult:
    """Send rows until each has a final result.

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
            "POST", f"/{quote(index)}/_bulk?{_QUERY}", lines.body(rows), what=_WHAT, accept={413}, backoff=backoff
        )
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            if len(rows) == 1:
                result.rejected.append((rows[0], "larger than the cluster accepts (413)"))
            else:
                waiting.extendleft((rows[len(rows) // 2 :], rows[: len(rows) // 2]))
            continue
        again, why, busy = _triage(connection, index, _items(connection, answer.data, len(rows)), rows, result)
        if again:
            if len(again) < len(rows):
                backoff.progressed()
            backoff.pause(why, busy=busy)
            waiting.appendleft(again)
    backoff.done()
    return result


def _items(connection: Connection, data: bytes, expected: int) -> list[_Item]:
    try:
        answer = _decode(data)
    except msgspec.MsgspecError as error:
        raise _unexpected_response(connection) from error
    items = [item for one in answer.items for item in one.values()] if answer.errors else []
    if answer.errors and len(items) != expected:
        raise _unexpected_response(connection)
    return items


def _unexpected_response(connection: Connection) -> StoreError:
    return StoreError(
        "unexpected response to a bulk request: the server is not Elasticsearch",
        where=str(connection.address),
        hint="check the host and port in --store",
    )


def _triage(
    connection: Connection, index: str, items: Sequence[_Item], rows: Sequence[int], result: BulkResult
) -> tuple[list[int], str, bool]:
    """Evaluate every item, and add conflicts and rejected rows to `result`.

    Returns:
        The rows to send again, the reason, and whether the cluster asks for fewer requests.
    """
    again, why, busy = [], "", False
    for row, item in zip(rows, items, strict=False):
        if item.status < HTTPStatus.MULTIPLE_CHOICES:
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
        elif item.status == HTTPStatus.BAD_REQUEST and _caused_by_document(problem):
            result.rejected.append((row, str(problem)))
        else:
            raise connection.failure(f"{_WHAT} (index {index})", item.status, problem)
    return again, why, busy


def _caused_by_document(problem: Problem) -> bool:
    return problem.type not in _NOT_CAUSED_BY_DOCUMENT and "number of documents" not in str(problem)


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
            data = connection.request("POST", f"/_bulk?{_DELETE_QUERY}", body, what=_WHAT, backoff=backoff).data
            again = []
            for what, item in zip(waiting, _decode_deleted(data).items, strict=True):
                problem = item.delete.error or Problem(reason="no reason given")
                if item.delete.status in TRANSIENT:
                    again.append((what, problem))
                elif item.delete.status >= HTTPStatus.MULTIPLE_CHOICES and item.delete.status != HTTPStatus.NOT_FOUND:
                    raise connection.failure(f"{_WHAT} (index {what[0]})", item.delete.status, problem)
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
