"""Read and write single documents, and evaluate every response.

A missing document is not a missing index, and a response with status 200 does not prove that a document was written.
"""

from collections.abc import Collection
from http import HTTPStatus
from typing import TypeVar

import msgspec

from advertisex.errors import StoreError
from advertisex.stores.elasticsearch.client import Answer, Connection
from advertisex.stores.elasticsearch.failures import problem_in
from advertisex.stores.elasticsearch.retry import Backoff

#: What happened to a document that was written.
WRITTEN = frozenset({"created", "updated"})
T = TypeVar("T")


class _Absent(msgspec.Struct):
    found: bool


class _Wrote(msgspec.Struct):
    result: str = ""


def read_document(
    connection: Connection, path: str, type_: type[T], *, what: str = "read the event store", backoff: Backoff | None
) -> T | None:
    """The response to a GET of a document, or None if the index does not have it.

    Raises:
        StoreError: the index does not exist, or the request failed permanently.
    """
    answer = connection.request("GET", path, what=what, accept={HTTPStatus.NOT_FOUND}, backoff=backoff)
    if backoff is not None:
        backoff.done()
    if answer.status == HTTPStatus.NOT_FOUND:
        if _is_absent(answer.data):
            return None
        raise connection.failure(what, answer.status, problem_in(answer.data, answer.status))
    return msgspec.json.decode(answer.data, type=type_)


def _is_absent(data: bytes) -> bool:
    """Whether a response says that the index does not have the document, rather than that there is no index."""
    try:
        return not msgspec.json.decode(data, type=_Absent).found
    except msgspec.MsgspecError:
        return False


def write_document(
    connection: Connection,
    path: str,
    document: object,
    *,
    what: str = "write to the event store",
    accept: Collection[int] = (),
    backoff: Backoff | None = None,
) -> Answer:
    """Write a document with PUT; the response has a status below 300, or one of `accept`.

    Raises:
        StoreError: the document was not written.
    """
    answer = connection.request("PUT", path, document, what=what, accept=accept, backoff=backoff)
    if backoff is not None:
        backoff.done()
    if answer.status not in accept:
        try:
            result = msgspec.json.decode(answer.data, type=_Wrote).result
        except msgspec.MsgspecError:
            result = ""
        if result not in WRITTEN:
            raise not_written(connection, what, answer.status, result)
    return answer


def not_written(connection: Connection, what: str, status: int, result: str) -> StoreError:
    """The exception for a response that reports success, although nothing was written."""
    return StoreError(
        f"cannot {what}: Elasticsearch returned {status} with the result {result or 'unknown'!r}, so the document was "
        "not written",
        where=str(connection.address),
        hint="remove the ingest pipeline that drops documents of this index",
    )
