"""Lists rejects: counted by feed, reason and hour, then row by row."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import polars as pl

from advertisex.analysis.answer import Table
from advertisex.inspection.reading import Tables
from advertisex.model import STORED_REJECT_COLUMNS
from advertisex.rejects.export import document_of, flat, ndjson, resolution_document
from advertisex.rejects.selection import positions_of
from advertisex.reporting.csv_table import csv_of
from advertisex.reporting.json_text import json_text_with_list
from advertisex.stores.contract import EventStore, RejectQuery
from advertisex.stores.resolutions import Resolution, resolutions_of

_KEYS = ("feed", "kind", "reason")
_ROW = ("topic", "partition", "offset", "feed", "kind", "reason", "detail", "ingested_at", "replayed_to", "resolution")
_RESOLUTIONS: dict[str, Any] = {
    "resolution": pl.String, "at": pl.Datetime("us"), "by": pl.String, "what": pl.String, "rejects": pl.Int64,
    "note": pl.String,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed(Tables):
    """Rejects as a page lists them.

    Attributes:
        query: what selects them.
        counts: as `EventStore.reject_counts`, regardless of the limit.
        samples: the first reject of each feed, kind and reason: id and detail.
        rows: the rejects, without their messages: id, feed, kind, reason, detail, ingested_at, replayed_to, resolution.
        is_last: whether no reject follows these.
        resolved: number of rejects that are left out because they are resolved.
        resolutions: what was resolved and reopened, if the query asks for resolved ones.
    """

    query: RejectQuery
    counts: pl.DataFrame
    samples: pl.DataFrame
    rows: pl.DataFrame
    is_last: bool
    resolved: int
    resolutions: list[Resolution]

    @property
    def total(self) -> int:
        """Number of rejects, regardless of the limit."""
        return int(self.counts["count"].sum())

    def following(self) -> dict[str, str]:
        """The option that gives the rows after these."""
        return {} if self.is_last or self.rows.is_empty() else {"after": str(self.rows["id"][-1])}

    def notes(self) -> list[str]:
        """What is left out, and what to do without rejects."""
        what = "conflict" if self.query.kind == "conflict" else "reject"
        notes = []
        if not self.total:
            notes.append(f"No {what} is {'resolved' if self.query.resolved else 'open'} for these filters.")
        elif not self.rows.height:
            notes.append("No more rows follow.")
        if self.resolved:
            are = f"{what} is" if self.resolved == 1 else f"{what}s are"
            notes.append(f"{self.resolved:,} more {are} resolved: choose `resolved` among the filters.")
        return notes

    def tables(self) -> list[Table]:
        """The groups, the rows, the hours, and the resolutions."""
        groups = self.counts.group_by(_KEYS).agg(pl.sum("count").alias("rejects")).sort(_KEYS)
        groups = groups.join(self.samples, on=_KEYS, how="left", maintain_order="left")
        tables = [
            Table("groups", "By feed and reason", groups, keys=_KEYS, codes=("reason",), prose=("detail",)),
            Table("rows", "Rows", self.rows, keys=("id",), of=self.total, codes=("reason",), prose=("detail",)),
        ]
        if self.counts["hour"].n_unique() > 1:
            hours = self.counts.sort("hour", *_KEYS, descending=[True, False, False, False])
            hours = hours.select("hour", *_KEYS, "count").rename({"count": "rejects"})
            tables.append(Table("hours", "By hour of ingestion", hours, codes=("reason",)))
        if self.resolutions:
            tables.append(_resolution_table(self.resolutions))
        return tables


def listed(store: EventStore, query: RejectQuery, *, with_samples: bool = True) -> Listed:
    """Read what a page lists; a terminal shows no samples."""
    counts = store.reject_counts(replace(query, after=None))
    limit = query.limit or 0
    one_more = replace(query, limit=limit + 1)
    rows = _rows(store.scan_rejects(one_more, _ROW))
    return Listed(
        query,
        counts,
        _samples(store, query, counts if with_samples else counts.clear()),
        rows.head(limit),
        rows.height <= limit,
        0 if query.resolved else number_resolved(store, query),
        resolutions_of(store) if query.resolved else [],
    )


def list_document(store: EventStore, query: RejectQuery) -> Iterator[bytes]:
    """What `rejects list --json` prints, in parts: the rejects are read as they are written."""
    counts = store.reject_counts(replace(query, after=None))
    hours = [row | {"hour": row["hour"].isoformat() + "Z"} for row in counts.iter_rows(named=True)]
    rows = (row for part in store.scan_rejects(query) for row in part.iter_rows(named=True))
    document = {
        "counts": hours,
        "total": int(counts["count"].sum()),
        "resolved": 0 if query.resolved else number_resolved(store, query),
        "resolutions": [resolution_document(record) for record in resolutions_of(store)],
    }
    yield from (text.encode() for text in json_text_with_list(document, "rejects", map(document_of, rows)))


def listed_after(store: EventStore, query: RejectQuery) -> str | None:
    """The id of the last reject that a query with a limit selects, if others follow it; else None."""
    if not query.limit:
        return None
    rows = _rows(store.scan_rejects(replace(query, limit=query.limit + 1), ("topic", "partition", "offset")))
    return str(rows["id"][-2]) if rows.height > query.limit else None


def number_resolved(store: EventStore, query: RejectQuery) -> int:
    """Count the rejects that a query for open ones leaves out because they are resolved."""
    return int(store.reject_counts(replace(query, resolved=True, after=None))["count"].sum())


def exported(parts: Iterable[pl.DataFrame], form: str) -> Iterator[bytes]:
    """Encode whole rejects in a form, `ndjson` or `csv`, as they are read."""
    if form == "ndjson":
        yield from ndjson(parts)
        return
    yield from csv_of(flat(pl.DataFrame(schema=STORED_REJECT_COLUMNS)))
    for part in parts:
        yield from islice(csv_of(flat(part)), 1, None)


def what_text(record: Resolution) -> str:
    """What a record of a resolution is about."""
    return ("reopened" if record.reopened else "resolved") + (", interrupted" if record.interrupted else "")


def _rows(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Rejects with their ids in place of their positions."""
    found = list(parts)
    if not found:
        return pl.DataFrame(schema={"id": pl.String} | {name: STORED_REJECT_COLUMNS[name] for name in _ROW[3:]})
    rows = pl.concat(found)
    ids = pl.Series("id", [str(position) for position in positions_of(rows)], dtype=pl.String)
    return rows.select(ids, pl.exclude("topic", "partition", "offset"))


def _samples(store: EventStore, query: RejectQuery, counts: pl.DataFrame) -> pl.DataFrame:
    """The first reject of each group: its keys, id and detail."""
    groups = counts.select(_KEYS).unique(maintain_order=True)
    each = (
        replace(query, feed=feed, kind=kind, reason=reason, limit=1, after=None)
        for feed, kind, reason in groups.iter_rows()
    )
    found = _rows(part for one in each for part in store.scan_rejects(one, _ROW))
    return found.select(*_KEYS, pl.col("id").alias("sample"), "detail")


def _resolution_table(records: list[Resolution]) -> Table:
    rows = [
        (record.id, record.at.replace(tzinfo=None), record.by, what_text(record), record.rejects, record.note or None)
        for record in reversed(records)
    ]
    frame = pl.DataFrame(rows, schema=_RESOLUTIONS, orient="row")
    return Table("resolutions", "Resolutions", frame, keys=("resolution",), prose=("note",))
