"""The ledger in Elasticsearch: a document for each partition, written last, and only over the one that was read.

`if_seq_no` and `if_primary_term` fence off a worker that lost its partition: between its reading and its writing of
the document, no other may have written it.

The document also says what the last commit added. Before the next replaces it, that goes to the ledger's history: so
the history holds what the ledger says and nothing else, whoever writes it, and however often.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote
from uuid import uuid4

import msgspec
import polars as pl

from advertisex.batches import COMMIT_COLUMNS, Counts, LedgerRow, Outcome, Partition, Span
from advertisex.errors import LedgerMoved, StoreError
from advertisex.stores.elasticsearch_client import Connection
from advertisex.stores.elasticsearch_search import all_of, between, search_all
from advertisex.stores.same_log import check_same_log

_FIELDS = tuple(asdict(Counts()))
_WHAT = "write to the ledger"


class _Commit(msgspec.Struct):
    """What a commit added to the ledger; its fields are `COMMIT_COLUMNS`."""

    topic: str
    partition: int
    feed: str
    start: int
    end: int
    committed_at: str
    read: int
    stored: int
    duplicate: int
    filtered: int
    rejected: int
    replayed: int


class _Source(msgspec.Struct):
    topic: str
    partition: int
    next_offset: int
    read: int
    stored: int
    duplicate: int
    filtered: int
    rejected: int
    replayed: int
    log: str = ""
    commit: str = ""
    last: _Commit | None = None

    def row(self) -> LedgerRow:
        counts = Counts(*(getattr(self, name) for name in _FIELDS))
        return LedgerRow(self.topic, self.partition, self.next_offset, counts, self.log)


class _Document(msgspec.Struct):
    found: bool = False
    seq_no: int = msgspec.field(name="_seq_no", default=0)
    primary_term: int = msgspec.field(name="_primary_term", default=0)
    source: _Source | None = msgspec.field(name="_source", default=None)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a partition stands, as of one reading.

    Attributes:
        row: the ledger row, or None where the partition has none yet.
        seq_no: with `primary_term`, which writing of the document it was.
        primary_term: see `seq_no`.
        commit: which commit wrote it.
        last: what that commit added.
    """

    row: LedgerRow | None
    seq_no: int = 0
    primary_term: int = 0
    commit: str = ""
    last: _Commit | None = None

    @property
    def committed_at(self) -> datetime | None:
        """When that commit was made (UTC, without a zone)."""
        return None if self.last is None else _moment(self.last.committed_at)


class Ledger:
    """The documents of one ledger index.

    Args:
        connection: to the cluster.
        index: its name.
        history: the name of the index of its history.
    """

    def __init__(self, connection: Connection, index: str, history: str) -> None:
        self._connection, self._index, self._history = connection, index, history
        self._seen: set[Partition] = set()

    def rows(self, *, forever: bool = False) -> list[LedgerRow]:
        """Every row, ordered by topic and partition; `forever` waits for a cluster that is away."""
        rows = [source.row() for source in self._sources(forever=forever)]
        self._seen.update(Partition(row.topic, row.partition) for row in rows)
        return sorted(rows, key=lambda row: (row.topic.encode(), row.partition))

    def commits(self, since: datetime | None = None) -> pl.DataFrame:
        """The history from a time on: `COMMIT_COLUMNS`, in the order of topic, partition and offset."""
        # first the last ones: one that goes to the history meanwhile is then seen twice, and not never
        last = [source.last for source in self._sources() if source.last]
        order = [{"topic": "asc"}, {"partition": "asc"}, {"start": "asc"}]
        query = all_of(between("committed_at", since, None))
        pages = search_all(self._connection, self._history, order, query=query)
        past = [msgspec.json.decode(hit.source, type=_Commit) for page in pages for hit in page]
        known = {(one.topic, one.partition, one.start): one for one in [*past, *last]}
        rows = [msgspec.structs.astuple(one) for one in known.values()]
        return (
            pl.DataFrame(rows, schema=COMMIT_COLUMNS | {"committed_at": pl.String()}, orient="row")
            .with_columns(pl.col("committed_at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ", time_unit="us"))
            .filter(pl.lit(value=True) if since is None else pl.col("committed_at") >= since)
            .sort("topic", "partition", "start")
        )

    def settled(self) -> datetime | None:
        """When the last commit was made, of any partition."""
        made = (_moment(source.last.committed_at) for source in self._sources() if source.last)
        return max(made, default=None)

    def standing(self, of: Partition, *, forever: bool = True) -> Standing:
        """Where a partition stands now; this read sees every write that has ended."""
        patience = self._connection.patience("read the ledger", None) if forever else None
        answer = self._connection.request(
            "GET", self._path(of), what="read the ledger", accept={HTTPStatus.NOT_FOUND}, patience=patience
        )
        if patience:
            patience.done()
        found = msgspec.json.decode(answer.data, type=_Document) if answer.status < 300 else _Document()
        if found.source is None:
            return Standing(None)
        self._seen.add(of)
        return Standing(found.source.row(), found.seq_no, found.primary_term, found.source.commit, found.source.last)

    def at_start_of(self, span: Span) -> Standing:
        """Where the span's partition stands, which must be the span's start.

        A partition without a row may start anywhere: a log does not keep all that it ever held.

        Raises:
            StoreError: the span is of another log.
            LedgerMoved: it stands elsewhere.
            StoreError: it had a row, which is gone: a new one would leave out all that was counted before.
        """
        standing = self.standing(span.of)
        if standing.row is None and span.of in self._seen:
            raise StoreError(
                "the ledger's row is gone, so that nothing more can be counted; nothing of this batch was written",
                where=f"{span.topic}/{span.partition} in {self._index} at {self._connection.address}",
                mend="restore that index from a snapshot; or run this again: it counts anew, from where the log begins",
            )
        if standing.row is not None:
            check_same_log(span.of, standing.row.log, span.log)
            if standing.row.next_offset != span.start:
                raise moved(span)
        return standing

    def advance(self, outcome: Outcome, before: Standing, added: Counts, stamp: datetime) -> None:
        """Move the checkpoint from where it was read to the end of the outcome's span, as of a time.

        Raises:
            LedgerMoved: another commit has written it since.
        """
        span, commit = outcome.span, uuid4().hex
        self._remember(before)
        now = stamp.isoformat(timespec="microseconds") + "Z"
        counts = asdict(added)
        last = _Commit(span.topic, span.partition, outcome.feed, span.start, span.end, now, **counts)
        total = added if before.row is None else before.row.counts + added
        document = {
            "topic": span.topic,
            "partition": span.partition,
            "next_offset": span.end,
            **asdict(total),
            "log": (before.row.log if before.row else "") or span.log,
            "commit": commit,
            "committed_at": now,
            "last": msgspec.to_builtins(last),
        }
        guard = (
            "op_type=create"
            if before.row is None
            else f"if_seq_no={before.seq_no}&if_primary_term={before.primary_term}"
        )
        patience = self._connection.patience(_WHAT, None)
        answer = self._connection.request(
            "PUT",
            f"{self._path(span.of)}?{guard}",
            document,
            what=_WHAT,
            accept={HTTPStatus.CONFLICT},
            patience=patience,
        )
        patience.done()
        # An answer that was lost leaves our own writing in place, and the second try in conflict with it
        if answer.status == HTTPStatus.CONFLICT and self.standing(span.of).commit != commit:
            raise moved(span)
        self._seen.add(span.of)

    def _sources(self, *, forever: bool = False) -> Iterator[_Source]:
        order = [{"topic": "asc"}, {"partition": "asc"}]
        for page in search_all(self._connection, self._index, order, forever=forever):
            for hit in page:
                yield msgspec.json.decode(hit.source, type=_Source)

    def _remember(self, before: Standing) -> None:
        """Put the last commit into the history, where it may be already."""
        if before.last is None:
            return
        one = before.last
        name = quote(f"{one.topic}/{one.partition}/{one.start}", safe="")
        patience = self._connection.patience(_WHAT, None)
        self._connection.request("PUT", f"/{quote(self._history)}/_doc/{name}", one, what=_WHAT, patience=patience)
        patience.done()

    def _path(self, of: Partition) -> str:
        return f"/{quote(self._index)}/_doc/{quote(f'{of.topic}/{of.partition}', safe='')}"


def moved(span: Span) -> LedgerMoved:
    """The error of a span that another worker has processed."""
    return LedgerMoved(
        "the ledger has moved on; nothing of this batch was written",
        where=f"{span.topic}/{span.partition}/{span.start}",
        mend="another run has processed it: run `advertisex process` again to go on from the ledger",
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)
