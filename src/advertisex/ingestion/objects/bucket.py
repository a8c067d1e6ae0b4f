"""A bucket of an object store: list its objects, and read parts of one."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import stamina

from advertisex.errors import SourceUnavailable
from advertisex.ingestion.api_options import ApiOptions
from advertisex.ingestion.backoff import Backoff
from advertisex.ingestion.object_address import Address
from advertisex.ingestion.objects.failures import Replaced, failure
from advertisex.ingestion.objects.opening import opened_store

_T = TypeVar("_T")

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
        patient: whether a request that fails for a while is repeated; each attempt and wait as for an API.

    Raises:
        ConfigurationError: the extra `objects` is not installed, or the environment has an invalid setting.
    """

    def __init__(self, address: Address, options: ApiOptions, *, patient: bool = True) -> None:
        self._address, self._options = address, options
        self._attempts = options.attempts if patient else 1
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
            Replaced: the object has changed since it was listed.
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
            raise Replaced("the object was replaced while it was read", where=where, hint="ingest it again")

        return self._asked(get, where)

    def _asked(self, request: Callable[[], _T], where: str) -> _T:
        """Return the result of a request, which is repeated after transient failures."""
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        backoff = Backoff(self._options.retry_wait)

        def wait(error: Exception) -> float | bool:
            return _is_transient(error) and backoff.next()

        for attempt in stamina.retry_context(on=wait, attempts=self._attempts, timeout=None):
            with attempt:
                try:
                    return request()
                except (BaseError, OSError) as error:
                    raise failure(error, where, self._address.scheme) from error
        raise AssertionError("stamina returns or raises")


def _is_transient(error: Exception) -> bool:
    return isinstance(error, SourceUnavailable) and not isinstance(error, Replaced)


def _stored(meta: Any) -> StoredObject:
    modified: datetime = meta["last_modified"]
    # quoted in the headers of all stores, but not in the listing of Azure
    size, etag = meta["size"], (meta["e_tag"] or "").removeprefix('"').removesuffix('"')
    at = int(modified.timestamp() * 1_000_000)
    # a header has whole seconds, a listing more
    return StoredObject(meta["path"], etag or f"{size}/{at // 1_000_000}", etag, size, at)
