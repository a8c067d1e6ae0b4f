"""`advertisex rejects list`: count and list messages that were not stored."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import polars as pl
import typer

from advertisex.analysis.arguments import MOST_LISTED
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_store,
    settings_of,
)
from advertisex.cli.output import out, say, spooled
from advertisex.cli.rejects.choosing import (
    FeedOption,
    KindOption,
    ReasonOption,
    ReplayedOption,
    ResolvedOption,
    SinceOption,
    UntilOption,
    number_resolved,
    query_of,
)
from advertisex.cli.tables import print_table
from advertisex.limits import Limit
from advertisex.model import STORED_REJECT_COLUMNS
from advertisex.rejects.export import document_of, resolution_document
from advertisex.reporting.json_text import json_text_with_list
from advertisex.stores.contract import EventStore, RejectQuery
from advertisex.stores.resolutions import Resolution, resolutions_of

MOST_ROWS = Limit(1_000, "rows", of="a table of rejects in the terminal", beyond="counted; JSON and CSV have all")
_SHOWN = {
    name: STORED_REJECT_COLUMNS[name]
    for name in ("topic", "partition", "offset", "reason", "detail", "replayed_to", "resolution")
}
#: Columns that are shown even if they are empty.
_ALWAYS = 3
#: Maximum characters of a detail; fits one line of a table when stdout is not a terminal.
_LONGEST_DETAIL = 120
#: Rows printed by hour; --json prints all.
_MOST_HOURS = 40
#: Resolutions printed; --json prints all.
_MOST_RECORDS = 20


def list_rejects(
    reason: ReasonOption = None,
    feed: FeedOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    replayed: ReplayedOption = None,
    resolved: ResolvedOption = False,
    limit: Annotated[int, typer.Option(min=0, max=MOST_LISTED, help="Maximum number of rows.")] = 20,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List rejected and filtered messages and conflicts: counted by feed, reason and hour, then row by row."""
    query = query_of(
        reason=reason, feed=feed, kind=kind, since=since, until=until, replayed=replayed, resolved=resolved, limit=limit
    )
    settings = settings_of(config, data=data, log=log, store=store)
    if as_json:
        with spooled() as file, opened_store(settings, read_only=True) as event_store:
            file.writelines(text.encode() for text in _json(event_store, query))
        return
    with opened_store(settings, read_only=True) as event_store:
        counts = event_store.reject_counts(query)
        total = int(counts["count"].sum())
        shown = replace(query, limit=min(limit, MOST_ROWS))
        parts = [pl.DataFrame(schema=_SHOWN), *event_store.scan_rejects(shown, list(_SHOWN))]
        left_out = 0 if resolved else number_resolved(event_store, query)
        records = resolutions_of(event_store) if resolved else []
    _print_counts(counts)
    out.print()
    _print_rows(pl.concat(parts), total)
    if (more := min(limit, total) - MOST_ROWS) > 0:
        _print_dim(f"… {more:,} more rows: --json prints all, and `advertisex rejects export` writes them")
    if left_out:
        others = "reject is" if left_out == 1 else "rejects are"
        out.print(f"{left_out:,} more {others} resolved: `advertisex rejects list --resolved`.", soft_wrap=True)
    if records:
        out.print()
        _print_records(records)


def _json(event_store: EventStore, query: RejectQuery) -> Iterator[str]:
    counts = event_store.reject_counts(query)
    hours = [row | {"hour": row["hour"].isoformat() + "Z"} for row in counts.iter_rows(named=True)]
    rows = (row for part in event_store.scan_rejects(query) for row in part.iter_rows(named=True))
    document = {
        "counts": hours,
        "total": int(counts["count"].sum()),
        "resolved": 0 if query.resolved else number_resolved(event_store, query),
        "resolutions": [resolution_document(record) for record in resolutions_of(event_store)],
    }
    yield from json_text_with_list(document, "rejects", map(document_of, rows))


def _print_counts(counts: pl.DataFrame) -> None:
    """Print one table if each reason has a single hour; else one by reason, and one by hour, latest first."""
    keys = ["feed", "kind", "reason"]
    by_reason = counts.group_by(keys).agg(pl.sum("count")).sort(keys)
    if by_reason.height == counts.height:
        _print_table("By feed, reason and hour of ingestion", counts)
        return
    _print_table("By feed and reason", by_reason)
    out.print()
    hours = counts.sort("hour", *keys, descending=[True, False, False, False]).select("hour", *keys, "count")
    _print_table("By hour of ingestion, feed and reason", hours.head(_MOST_HOURS))
    if (more := hours.height - _MOST_HOURS) > 0:
        _print_dim(f"… {more:,} more rows: narrow the range with --since and --until; --json prints all")


def _print_table(title: str, counts: pl.DataFrame) -> None:
    rows = counts
    if "hour" in counts.columns:
        rows = counts.with_columns(pl.col("hour").dt.to_string("%Y-%m-%d %H:%M UTC"))
    print_table(title, rows.columns, rows.iter_rows(), keys=["feed", "kind", "reason"], numbers=["count"])


def _print_rows(rows: pl.DataFrame, total: int) -> None:
    body = [
        (f"{topic}/{partition}/{offset}", reason, _one_line(detail), replayed_to or "", resolution or "")
        for topic, partition, offset, reason, detail, replayed_to, resolution in rows.iter_rows()
    ]
    columns = ("id", "reason", "detail", "replayed to", "resolution")
    shown = [at for at, name in enumerate(columns) if at < _ALWAYS or any(row[at] for row in body)]
    print_table(
        f"First {len(body):,} of {total:,}",
        [columns[at] for at in shown],
        [[row[at] for at in shown] for row in body],
        whole=["replayed to", "resolution"],
        prose=["detail"],
    )


def _print_records(records: list[Resolution]) -> None:
    """Print what was resolved and reopened, the latest last."""
    rows = [
        (record.id, f"{record.at:%Y-%m-%d %H:%M} UTC", record.by, _what(record), record.rejects, _one_line(record.note))
        for record in records[-_MOST_RECORDS:]
    ]
    columns = ("resolution", "at", "by", "what", "rejects", "note")
    print_table("Resolutions", columns, rows, numbers=["rejects"], prose=["note"])
    if (more := len(records) - _MOST_RECORDS) > 0:
        _print_dim(f"… {more:,} earlier ones: --json prints all")


def _what(record: Resolution) -> str:
    return ("reopened" if record.reopened else "resolved") + (", interrupted" if record.interrupted else "")


def _print_dim(text: str) -> None:
    say(text, style="dim")


def _one_line(detail: str) -> str:
    """Cut a long detail in the middle: the place comes first, the reason last."""
    line = " ".join(detail.split())
    half = _LONGEST_DETAIL // 2
    return line if len(line) <= _LONGEST_DETAIL else f"{line[:half].rstrip()} … {line[-half:].lstrip()}"
