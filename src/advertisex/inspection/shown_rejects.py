"""Shows rejects: each message, the failing field, the rule, and the result of a replay."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from advertisex.errors import LogError
from advertisex.inspection.filters import query_of_ids
from advertisex.inspection.place import Place
from advertisex.inspection.reading import utc
from advertisex.model import Partition, Position, SourceLine
from advertisex.rejects.explained import Explained, explain
from advertisex.rejects.export import document_of
from advertisex.rejects.replay import ReplayStatus, replay_statuses
from advertisex.rejects.selection import check_found, positions_of
from advertisex.settings.feeds import configured_feeds
from advertisex.stores.contract import EventStore, RejectQuery
from advertisex.stores.resolutions import Resolution, resolutions_of

FORMATS = {"json": "JSON", "avro": "Avro, shown as JSON", "text": "text", "bytes": "bytes"}
_STATUSES = {
    "waiting": "not processed yet",
    "accepted": "accepted: stored, or a duplicate of a stored event (unless erased since)",
    "rejected": "rejected again, ",
    "filtered": "filtered again, ",
    "conflict": "still in conflict with the stored event, ",
}


class Shown(NamedTuple):
    """A reject with all that is shown of it: a row of `EventStore.rejects`, and what it means."""

    row: dict[str, Any]
    explained: Explained
    status: ReplayStatus | None
    resolution: Resolution | None
    origin: SourceLine | None

    @property
    def id(self) -> Position:
        """The id of the reject."""
        return _position(self.row)

    def facts(self) -> list[tuple[str, str]]:
        """What is said of it before its message, as (name, text)."""
        row, explained, status, resolution, origin = self
        facts = [("feed", row["feed"])]
        if origin is not None:
            facts.append(("source", str(origin)))
        facts += [
            (row["kind"], f"{row['reason']}, by {row['stage']}"),
            ("detail", row["detail"]),
            ("rule", explained.rule),
            ("ingested", f"{row['ingested_at']} UTC"),
            ("processed", f"{row['processed_at']} UTC"),
        ]
        if status is not None:
            facts.append(("replayed", f"to {row['replayed_to']}: {_STATUSES[status.kind]}{status.reason}"))
        if resolution is not None:
            why = f": {resolution.note}" if resolution.note else ""
            facts.append(("resolved", f"{resolution.at:%Y-%m-%d %H:%M:%S} UTC by {resolution.by}{why}"))
        return facts


class Excerpt(NamedTuple):
    """Some lines of a message.

    Attributes:
        start: number of lines before them.
        lines: the lines.
        left: number of lines after them.
        failing: which of them shows the failing field; None if that is not known.
    """

    start: int
    lines: Sequence[str]
    left: int
    failing: int | None


def excerpt(explained: Explained, most: int | None) -> Excerpt:
    """The lines of a message, or the given number of them around the failing field."""
    lines, failing = explained.message.lines, explained.failing
    start, end = 0, len(lines)
    if most is not None and end > most:
        start = max(0, min((failing or 0) - most // 2, end - most))
        end = start + most
    return Excerpt(start, lines[start:end], len(lines) - end, None if failing is None else failing - start)


def shown_rejects(place: Place, ids: Sequence[str]) -> list[Shown]:
    """Read the rejects with these ids, in order of position.

    Raises:
        ConfigurationError: an id is invalid, or has no reject.
    """
    query = query_of_ids(ids)
    feeds = configured_feeds(place.settings)
    with place.store() as store:
        rows = _found(store, query)
        status_of = replay_statuses(store, {row["replayed_to"] for row in rows} - {None})
        records = {record.id: record for record in resolutions_of(store)}
        logs = {Partition(row.topic, row.partition): row.log for row in store.ledger()}
    origins = _origins(rows, logs, place)
    return [
        Shown(
            row,
            explain(row, feeds[row["feed"]]),
            status_of.get(row["replayed_to"]),
            records.get(row["resolution"]),
            origin,
        )
        for row, origin in zip(rows, origins, strict=True)
    ]


def shown_document(shown: Sequence[Shown]) -> dict[str, Any]:
    """What `rejects show --json` prints."""
    return {"rejects": [_document(one) for one in shown]}


def _found(store: EventStore, query: RejectQuery) -> list[dict[str, Any]]:
    rejects = store.rejects(query)
    check_found(query, positions_of(rejects))
    return list(rejects.iter_rows(named=True))


def _origins(rows: list[dict[str, Any]], logs: Mapping[Partition, str], place: Place) -> list[SourceLine | None]:
    """Where the messages come from; None if the log does not say, is another one than was processed, or is missing."""
    positions = [_position(row) for row in rows]
    try:
        with place.log() as log:
            found = log.identities({position.topic for position in positions})
            same = {partition for partition, known in logs.items() if known == found.get(partition.topic, "")}
            return [log.origin(position) if Partition(*position[:2]) in same else None for position in positions]
    except LogError:
        return [None] * len(rows)


def _position(row: dict[str, Any]) -> Position:
    return Position(row["topic"], row["partition"], row["offset"])


def _document(shown: Shown) -> dict[str, Any]:
    row, explained, status, resolution, origin = shown
    message = explained.message
    path = None if explained.failing is None else list(message.paths[explained.failing])
    return document_of(row) | {
        "source": origin and origin.source,
        "line": origin and origin.line,
        "rule": explained.rule,
        "field": explained.field,
        "path": path,
        "format": message.format,
        "message": None if message.document is None else msgspec.Raw(message.document),
        "replay": None if status is None else status.kind,
        "replay_reason": status.reason or None if status else None,
        "resolved_at": resolution and utc(resolution.at),
        "resolved_by": resolution and resolution.by,
        "resolved_note": resolution and resolution.note,
    }
