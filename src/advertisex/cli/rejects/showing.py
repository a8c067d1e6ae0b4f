"""`advertisex rejects show`: messages, and why they were not stored."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
import typer
from rich.text import Text

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_log,
    opened_store,
    settings_of,
)
from advertisex.cli.output import out, plain, print_json, say
from advertisex.cli.rejects.choosing import query_of
from advertisex.codecs.unreadable import body_of
from advertisex.errors import LogError
from advertisex.model import Partition, Position, SourceLine
from advertisex.rejects.explained import Explained, explain
from advertisex.rejects.export import document_of
from advertisex.rejects.replay import ReplayStatus, replay_statuses
from advertisex.rejects.selection import check_found, positions_of
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore, RejectQuery
from advertisex.stores.resolutions import Resolution, resolutions_of

#: Lines of a message, and characters of a line, printed without --full.
_LINES, _WIDTH = 60, 500
_FORMATS = {"json": "JSON", "avro": "Avro, shown as JSON", "text": "text", "bytes": "bytes"}
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


def show_rejects(
    ids: Annotated[
        list[str], typer.Argument(metavar="ID", help="Reject ids, topic/partition/offset, as `list` shows them.")
    ],
    full: Annotated[bool, typer.Option("--full", help="Print the whole message, however long it is.")] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show rejected and filtered messages and conflicts: the failing field, the rule, and the result of a replay."""
    query = query_of(ids=ids)
    settings = settings_of(config, data=data, log=log, store=store)
    feeds = configured_feeds(settings)
    with opened_store(settings, read_only=True) as event_store:
        rows = _found(event_store, query)
        replay_status_of = replay_statuses(event_store, {row["replayed_to"] for row in rows} - {None})
        records = {record.id: record for record in resolutions_of(event_store)}
        logs = {Partition(row.topic, row.partition): row.log for row in event_store.ledger()}
    origins = _origins(rows, logs, settings)
    shown = [
        Shown(
            row,
            explain(row, feeds[row["feed"]]),
            replay_status_of.get(row["replayed_to"]),
            records.get(row["resolution"]),
            origin,
        )
        for row, origin in zip(rows, origins, strict=True)
    ]
    if as_json:
        print_json({"rejects": [_document(one) for one in shown]})
        return
    for number, one in enumerate(shown):
        if number:
            out.print()
        _print(one, full=full)


def _found(store: EventStore, query: RejectQuery) -> list[dict[str, Any]]:
    rejects = store.rejects(query)
    check_found(query, positions_of(rejects))
    return list(rejects.iter_rows(named=True))


def _origins(rows: list[dict[str, Any]], logs: Mapping[Partition, str], settings: Settings) -> list[SourceLine | None]:
    """Where the messages come from; None if the log does not say, is another one than was processed, or is missing."""
    positions = [_position(row) for row in rows]
    try:
        with opened_log(settings, create=False) as log:
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
        "resolved_at": resolution and resolution.at.isoformat().replace("+00:00", "Z"),
        "resolved_by": resolution and resolution.by,
        "resolved_note": resolution and resolution.note,
    }


def _print(shown: Shown, *, full: bool) -> None:
    row, explained, status, resolution, origin = shown
    out.print(plain(str(_position(row))), style="bold", soft_wrap=True)
    facts = [
        ("feed", row["feed"]),
        (row["kind"], f"{row['reason']}, by {row['stage']}"),
        ("detail", row["detail"]),
        ("rule", explained.rule),
        ("ingested", f"{row['ingested_at']} UTC"),
        ("processed", f"{row['processed_at']} UTC"),
    ]
    if origin is not None:
        facts.insert(1, ("source", str(origin)))
    if status is not None:
        facts.append(("replayed", f"to {row['replayed_to']}: {_STATUSES[status.kind]}{status.reason}"))
    if resolution is not None:
        why = f": {resolution.note}" if resolution.note else ""
        facts.append(("resolved", f"{resolution.at:%Y-%m-%d %H:%M:%S} UTC by {resolution.by}{why}"))
    for name, value in facts:
        say(value, head=Text(f"  {name:<10}", "dim"))
    absent = f", without {explained.field}" if explained.field and explained.failing is None else ""
    size = len(body_of(row["payload"]))
    say(f"  message ({_FORMATS[explained.message.format]}, {size:,} bytes){absent}:", style="dim")
    for line in _lines(explained, full=full):
        out.print(line, soft_wrap=True)


def _lines(explained: Explained, *, full: bool) -> Iterator[Text]:
    """Yield the lines of the message, with the failing field marked; of a long message, those around it."""
    lines, failing = explained.message.lines, explained.failing
    start, end = 0, len(lines)
    if not full and end > _LINES:
        start = max(0, min((failing or 0) - _LINES // 2, end - _LINES))
        end = start + _LINES
    if start:
        yield Text(f"    … {start:,} lines", "dim")
    for number in range(start, end):
        text = lines[number] if full or len(lines[number]) <= _WIDTH else f"{lines[number][:_WIDTH]}…"
        marked = number == failing
        yield Text.assemble("  > " if marked else "    ", plain(text), style="bold red" if marked else "")
    if left := len(lines) - end:
        yield Text(f"    … {left:,} more lines: --full shows them", "dim")
