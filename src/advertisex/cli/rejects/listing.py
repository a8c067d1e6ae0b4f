"""`advertisex rejects list`: count and list messages that were not stored."""

from typing import Annotated

import polars as pl
import typer

from advertisex.analysis.arguments import MOST_LISTED
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    StoreOption,
    opened_store,
    settings_of,
)
from advertisex.cli.output import out, print_json, print_table
from advertisex.cli.rejects.choosing import (
    FeedOption,
    KindOption,
    ReasonOption,
    ReplayedOption,
    SinceOption,
    UntilOption,
    query_of,
)
from advertisex.rejects.export import document_of

#: Maximum characters of a detail; fits one line of a table when stdout is not a terminal.
_LONGEST_DETAIL = 120
#: Rows printed by hour; --json prints all.
_MOST_HOURS = 40


def list_rejects(
    reason: ReasonOption = None,
    feed: FeedOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    replayed: ReplayedOption = None,
    limit: Annotated[int, typer.Option(min=0, max=MOST_LISTED, help="Maximum number of rows.")] = 20,
    data: DataOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List rejected and filtered messages and conflicts: counted by feed, reason and hour, then row by row."""
    query = query_of(reason=reason, feed=feed, kind=kind, since=since, until=until, replayed=replayed, limit=limit)
    with opened_store(settings_of(config, data=data, store=store), read_only=True) as event_store:
        counts = event_store.reject_counts(query)
        rows = event_store.rejects(query)
    if as_json:
        print_json(
            {
                "counts": [row | {"hour": row["hour"].isoformat() + "Z"} for row in counts.iter_rows(named=True)],
                "rejects": [document_of(row) for row in rows.iter_rows(named=True)],
                "total": int(counts["count"].sum()),
            }
        )
    else:
        _print_counts(counts)
        out.print()
        _print_rows(rows, int(counts["count"].sum()))


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
        out.print(
            f"… {more:,} more rows: narrow the range with --since and --until; --json prints all",
            style="dim",
            soft_wrap=True,
        )


def _print_table(title: str, counts: pl.DataFrame) -> None:
    rows = counts
    if "hour" in counts.columns:
        rows = counts.with_columns(pl.col("hour").dt.to_string("%Y-%m-%d %H:%M UTC"))
    print_table(title, rows.columns, rows.iter_rows(), numbers=["count"])


def _print_rows(rows: pl.DataFrame, total: int) -> None:
    body = [
        (f"{topic}/{partition}/{offset}", reason, _one_line(detail), replayed_to or "")
        for topic, partition, offset, reason, detail, replayed_to in rows.select(
            "topic", "partition", "offset", "reason", "detail", "replayed_to"
        ).iter_rows()
    ]
    columns = ("id", "reason", "detail", "replayed to")
    shown = len(columns) if any(replayed_to for *_, replayed_to in body) else -1
    print_table(f"First {len(body):,} of {total:,}", columns[:shown], [row[:shown] for row in body])


def _one_line(detail: str) -> str:
    """Cut a long detail in the middle: the place comes first, the reason last."""
    line = " ".join(detail.split())
    half = _LONGEST_DETAIL // 2
    return line if len(line) <= _LONGEST_DETAIL else f"{line[:half].rstrip()} … {line[-half:].lstrip()}"
