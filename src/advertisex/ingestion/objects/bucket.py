"""A bucket of an object store: list its objects, and read parts of one."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import structlog

from advertisex.errors import ObjectReplaced, SourceError, SourceUnavailable
from advertisex.ingestion.backoff import Backoff
from advertisex.ingestion.object_address import Address
from advertisex.ingestion.objects.failures import failure, is_panic
from advertisex.ingestion.objects.opening import opened_store
from advertisex.ingestion.options.api import ApiOptions

_T = TypeVar("_T")
_LOG = structlog.get_logger(__name__)

#: Objects per page of a listing.
_PAGE = 1_000


class StoredObject(NamedTuple):
    """An object as it was listed.

    Attributes:
        key: its key.
        version: identifies its content: the ETag, else size and time.
        etag: its ETag, without quotes; empty if the store has none.
        size: bytes.
        modified: when it was written, in microseconds since the epoch (UTC).
    """

    key: str
    version: str
    etag: str
    size: int
    modified: int


class Bucket:
    """A bucket, opened with the credentials of the environment.

    Args:
        address: where it is.
        options: timeout and attempts.
        retry: whether a failure that may pass is repeated, with the attempts and waits of an API; otherwise the caller
            does.

    Raises:
        ConfigurationError: the extra `objects` is not installed, or the environment has an invalid setting.
    """

    def __init__(self, address: Address, options: ApiOptions, *, retry: bool = True) -> None:
        self._address, self._options = address, options
        self._attempts = options.attempts if retry else 1
        self._store = opened_store(address, options)
        self._name = address.name_of("")

    def listed(self, folder: str, keep: Callable[[StoredObject], bool]) -> list[StoredObject]:
        """Return the objects of a folder, at any depth, that are to be kept, by key.

        Args:
            folder: the folder, without a slash at its end; empty for the whole bucket.
            keep: called with each object, from the first on again if the listing fails halfway and is repeated.

        Raises:
            SourceError: the listing failed.
            ConfigurationError: the endpoint is not allowed.
        """
        from obstore import list as list_objects  # noqa: PLC0415 - an extra

        def complete() -> list[StoredObject]:
            pages = list_objects(self._store, folder or None, chunk_size=_PAGE)
            return [found for page in pages for one in page if keep(found := _stored(one))]

        return sorted(self._asked(complete, self._address.name_of(folder)))

    def found(self, key: str) -> StoredObject | None:
        """Return an object as it is now; None if there is none.

        Raises:
            SourceError: the request failed.
        """

        def head() -> StoredObject | None:
            try:
                return _stored(self._store.head(key))
            except FileNotFoundError:
                return None

        return self._asked(head, self._address.name_of(key))

    def part(self, one: StoredObject, start: int, end: int) -> bytes:
        """Return the bytes of an object from `start` to `end`.

        Raises:
            ObjectReplaced: the object has changed since it was listed.
            SourceError: the request failed, or the object is gone.
        """
        from obstore.exceptions import PreconditionError  # noqa: PLC0415 - an extra

        where = self._address.name_of(one.key)
        options: Any = {"range": (start, end)} | ({"if_match": f'"{one.etag}"'} if one.etag else {})

        def get() -> bytes:
            try:
                result = self._store.get(one.key, options=options)
                now = _stored(result.meta)
                if now.version == one.version:
                    return bytes(result.bytes())
            except PreconditionError:
                pass
            raise ObjectReplaced("the object was replaced while it was read", where=where, hint="ingest it again")

        return self._asked(get, where)

    def _asked(self, request: Callable[[], _T], where: str) -> _T:
        """Return the result of a request, which is repeated after failures that may pass."""
        backoff = Backoff(self._options.retry_wait)
        for attempt in range(1, self._attempts):
            try:
                return self._answer(request, where)
            except ObjectReplaced:
                raise
            except SourceUnavailable as error:
                wait = backoff.next()
                _LOG.warning(
                    "retrying",
                    why=str(error),
                    attempt=f"{attempt} of {self._attempts} failed",
                    wait_seconds=round(wait, 1),
                )
            time.sleep(wait)
        return self._answer(request, where)

    def _answer(self, request: Callable[[], _T], where: str) -> _T:
        """Return the result of a request, or raise what its failure means."""
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        try:
            return request()
        except (BaseError, OSError) as error:
            raise failure(error, where, self._address.scheme) from error
        except BaseException as error:
            if not is_panic(error):
                raise
            raise SourceError(
                "the client of the object store failed",
                where=where,
                hint="check the endpoint and the credentials, and please report it",
            ) from error


def _stored(meta: Any) -> StoredObject:
    modified: datetime = meta["last_modified"]
    # quoted in the headers of all stores, but not in the listing of Azure
    size, etag = meta["size"], (meta["e_tag"] or "").removeprefix('"').removesuffix('"')
    at = int(modified.timestamp() * 1_000_000)
    # a header has whole seconds, a listing more
    return StoredObject(meta["path"], etag or f"{size}/{at // 1_000_000}", etag, size, at)
