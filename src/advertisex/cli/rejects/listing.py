"""`advertisex rejects list`: count and list messages that were not stored."""

from dataclasses import replace

import polars as pl

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
from advertisex.cli.tables import print_table
from advertisex.cli.typed import spread
from advertisex.inspection.filters import ListOptions
from advertisex.inspection.rejects import list_document, number_resolved, what_text
from advertisex.limits import Limit
from advertisex.model import STORED_REJECT_COLUMNS
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


@spread
def list_rejects(
    options: ListOptions,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List rejected and filtered messages and conflicts: counted by feed, reason and hour, then row by row."""
    query, limit = options.query(), options.limit
    settings = settings_of(config, data=data, log=log, store=store)
    if as_json:
        with spooled() as file, opened_store(settings, read_only=True) as event_store:
            file.writelines(list_document(event_store, query))
        return
    with opened_store(settings, read_only=True) as event_store:
        counts = event_store.reject_counts(replace(query, after=None))
        total = int(counts["count"].sum())
        shown = replace(query, limit=min(limit, MOST_ROWS))
        parts = [pl.DataFrame(schema=_SHOWN), *event_store.scan_rejects(shown, list(_SHOWN))]
        left_out = 0 if options.resolved else number_resolved(event_store, query)
        records = resolutions_of(event_store) if options.resolved else []
    _print_counts(counts)
    out.print()
    _print_rows(pl.concat(parts), total, "First" if query.after is None else "Next")
    if (more := min(limit, total) - MOST_ROWS) > 0:
        _print_dim(f"… {more:,} more rows: --json prints all, and `advertisex rejects export` writes them")
    if left_out:
        others = "reject is" if left_out == 1 else "rejects are"
        out.print(f"{left_out:,} more {others} resolved: `advertisex rejects list --resolved`.", soft_wrap=True)
    if records:
        out.print()
        _print_records(records)


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


def _print_rows(rows: pl.DataFrame, total: int, word: str) -> None:
    body = [
        (f"{topic}/{partition}/{offset}", reason, _one_line(detail), replayed_to or "", resolution or "")
        for topic, partition, offset, reason, detail, replayed_to, resolution in rows.iter_rows()
    ]
    columns = ("id", "reason", "detail", "replayed to", "resolution")
    shown = [at for at, name in enumerate(columns) if at < _ALWAYS or any(row[at] for row in body)]
    print_table(
        f"{word} {len(body):,} of {total:,}",
        [columns[at] for at in shown],
        [[row[at] for at in shown] for row in body],
        whole=["replayed to", "resolution"],
        prose=["detail"],
    )


def _print_records(records: list[Resolution]) -> None:
    """Print what was resolved and reopened, the latest last."""
    rows = [
        (
            record.id,
            f"{record.at:%Y-%m-%d %H:%M} UTC",
            record.by,
            what_text(record),
            record.rejects,
            _one_line(record.note),
        )
        for record in records[-_MOST_RECORDS:]
    ]
    columns = ("resolution", "at", "by", "what", "rejects", "note")
    print_table("Resolutions", columns, rows, numbers=["rejects"], prose=["note"])
    if (more := len(records) - _MOST_RECORDS) > 0:
        _print_dim(f"… {more:,} earlier ones: --json prints all")


def _print_dim(text: str) -> None:
    say(text, style="dim")


def _one_line(detail: str) -> str:
    """Cut a long detail in the middle: the place comes first, the reason last."""
    line = " ".join(detail.split())
    half = _LONGEST_DETAIL // 2
    return line if len(line) <= _LONGEST_DETAIL else f"{line[:half].rstrip()} … {line[-half:].lstrip()}"
