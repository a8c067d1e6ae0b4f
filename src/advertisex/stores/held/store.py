"""The client side: a store whose methods are called in the process that has it open."""

# mypy: disable-error-code="no-any-return"
# A result has the type that the contract declares: it was decoded by it.

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import httpx
import polars as pl

from advertisex.errors import StoreBusy, StoreUnavailable
from advertisex.model import STORED_REJECT_COLUMNS, Finding, LedgerRow, Partition, Position
from advertisex.stores.contract import Extent, Range, RejectQuery
from advertisex.stores.held.calls import WRITES, decode_result, encode_call
from advertisex.stores.held.place import Place
from advertisex.stores.removal import Removal

#: Seconds without a byte after which the other process is given up; a question may take long before the first one. What
#: is written is waited for as long as that process runs: an erasure rewrites the file.
_SECONDS = 120.0


class HeldStore:
    """A store that another process has open for writing; see `EventStore`.

    It can be read, rejects can be marked, users erased, and the catalogue imported.

    Args:
        path: the file of the store, for errors.
        place: where the other process is reached.
    """

    retries = 0

    def __init__(self, path: Path, place: Place) -> None:
        self._path = path
        uds = None if place.socket is None else str(place.socket)
        self._client = httpx.Client(
            base_url=f"http://localhost:{place.port or 80}/",
            transport=httpx.HTTPTransport(uds=uds),
            headers={"Authorization": f"Bearer {place.token}"} if place.token else {},
            trust_env=False,
        )

    def __getattr__(self, name: str) -> Any:
        """Reject the other methods that write."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise StoreBusy(
            "another process has the store open, and only it can write this", where=str(self._path),
            hint="stop that process first",
        )  # fmt: skip

    def columns(self, feed: str) -> dict[str, pl.DataType]:
        return self._one("columns", feed=feed)

    def rebuilt_at(self) -> datetime | None:
        return self._one("rebuilt_at")

    def kept_since(self) -> datetime | None:
        return self._one("kept_since")

    def positions(self) -> dict[Partition, int]:
        return {Partition(row.topic, row.partition): row.next_offset for row in self.ledger()}

    def ledger(self) -> list[LedgerRow]:
        return self._one("ledger")

    def rejects(self, query: RejectQuery) -> pl.DataFrame:
        return self._one("rejects", query=query)

    def scan_rejects(
        self, query: RejectQuery, columns: Sequence[str] = tuple(STORED_REJECT_COLUMNS)
    ) -> Iterator[pl.DataFrame]:
        return self._call("scan_rejects", query=query, columns=columns)

    def reject_counts(self, query: RejectQuery) -> pl.DataFrame:
        return self._one("reject_counts", query=query)

    def commits(self, since: datetime | None = None) -> pl.DataFrame:
        return self._one("commits", since=since)

    def settled(self) -> datetime | None:
        return self._one("settled")

    def extent(self, feed: str, within: Range) -> Extent:
        return self._one("extent", feed=feed, within=within)

    def last_time(self, feed: str, within: Range) -> datetime | None:
        return self._one("last_time", feed=feed, within=within)

    def scan(
        self,
        feed: str,
        columns: Sequence[str],
        within: Range,
        slices: range | None = None,
        among: pl.Series | None = None,
    ) -> Iterator[pl.DataFrame]:
        return self._call("scan", feed=feed, columns=columns, within=within, slices=slices, among=among)

    def count(self, feed: str, by: Sequence[str], within: Range, edges: Sequence[datetime] = ()) -> pl.DataFrame:
        return self._one("count", feed=feed, by=by, within=within, edges=edges)

    def catalogue(self, as_of: datetime | None = None) -> pl.DataFrame:
        return self._one("catalogue", as_of=as_of)

    def campaigns(self, as_of: datetime | None = None) -> pl.DataFrame:
        return self._one("campaigns", as_of=as_of)

    def catalogue_imports(self) -> list[datetime]:
        return self._one("catalogue_imports")

    def user_totals(self, within: Range, campaign: str | None) -> pl.DataFrame:
        return self._one("user_totals", within=within, campaign=campaign)

    def notes(self, kind: str) -> dict[str, bytes]:
        return self._one("notes", kind=kind)

    def take_note(self, kind: str, notes: Mapping[str, bytes | None]) -> None:
        self._one("take_note", kind=kind, notes=notes)

    def mark_replayed(self, replays: Mapping[Position, Position]) -> None:
        self._one("mark_replayed", replays=replays)

    def mark_resolved(self, resolutions: Mapping[Position, str | None]) -> None:
        self._one("mark_resolved", resolutions=resolutions)

    def import_catalogue(self, creatives: pl.DataFrame, campaigns: pl.DataFrame | None = None) -> datetime:
        return self._one("import_catalogue", creatives=creatives, campaigns=campaigns)

    def suppress(self, key: str, document: bytes) -> dict[Partition, int]:
        return self._one("suppress", key=key, document=document)

    def remove(self, removal: Removal) -> pl.DataFrame:
        return self._one("remove", removal=removal)

    def period_start(self, time: datetime) -> datetime:
        return self._one("period_start", time=time)

    def inspect(self) -> list[Finding]:
        return self._one("inspect")

    def interrupt(self) -> None:
        """Do nothing: no call waits for a server."""

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _one(self, method: str, **arguments: Any) -> Any:
        (result,) = self._call(method, **arguments)
        return result

    def _call(self, method: str, **arguments: Any) -> Iterator[Any]:
        timeout = httpx.Timeout(None if method in WRITES else _SECONDS, connect=5.0)
        call = encode_call(arguments)
        try:
            with self._client.stream("POST", f"store/{method}", content=call, timeout=timeout) as response:
                if not response.is_success:
                    raise self._unavailable(f"responded with status {response.status_code}")
                yield from decode_result(method, response.iter_bytes())
        except httpx.HTTPError as error:
            raise self._unavailable("does not respond") from error

    def _unavailable(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"the process that has the store open {what}", where=str(self._path), hint="run the command again"
        )
