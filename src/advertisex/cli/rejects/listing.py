"""`advertisex rejects list`: count and list messages that were not stored."""

from dataclasses import asdict, replace
from typing import Any

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
from advertisex.cli.server import ServerOption, asked
from advertisex.cli.tables import print_table
from advertisex.cli.typed import spread
from advertisex.inspection.filters import ListOptions
from advertisex.inspection.rejects import Listed, list_document, listed, what_text
from advertisex.limits import Limit
from advertisex.questions.option import named
from advertisex.stores.resolutions import Resolution

MOST_ROWS = Limit(1_000, "rows", of="a table of rejects in the terminal", beyond="counted; JSON and CSV have all")
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
    server: ServerOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List rejected and filtered messages and conflicts: counted by feed, reason and hour, then row by row."""
    query = options.query()
    shown = replace(options, limit=min(options.limit, MOST_ROWS))
    if server is not None:
        with asked(server, data=data, log=log, store=store, config=config) as remote:
            if as_json:
                with spooled() as file:
                    remote.download("rejects/list", _named(options), file, "application/json")
            else:
                _print(remote.get("rejects/list", _named(shown), Listed), options)
        return
    settings = settings_of(config, data=data, log=log, store=store)
    if as_json:
        with spooled() as file, opened_store(settings, read_only=True) as event_store:
            file.writelines(list_document(event_store, query))
        return
    with opened_store(settings, read_only=True) as event_store:
        found = listed(event_store, shown.query(), with_samples=False)
    _print(found, options)


def _named(options: ListOptions) -> dict[str, Any]:
    return named(ListOptions, asdict(options))


def _print(found: Listed, options: ListOptions) -> None:
    _print_counts(found.counts)
    out.print()
    _print_rows(found, "First" if options.after is None else "Next")
    if (more := min(options.limit, found.total) - MOST_ROWS) > 0:
        _print_dim(f"… {more:,} more rows: --json prints all, and `advertisex rejects export` writes them")
    if found.resolved:
        others = "reject is" if found.resolved == 1 else "rejects are"
        out.print(f"{found.resolved:,} more {others} resolved: `advertisex rejects list --resolved`.", soft_wrap=True)
    if found.resolutions:
        out.print()
        _print_records(found.resolutions)


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


def _print_rows(found: Listed, word: str) -> None:
    rows = found.rows.select("id", "reason", "detail", "replayed_to", "resolution")
    body = [
        (id_, reason, _one_line(detail), replayed_to or "", resolution or "")
        for id_, reason, detail, replayed_to, resolution in rows.iter_rows()
    ]
    columns = ("id", "reason", "detail", "replayed to", "resolution")
    shown = [at for at, name in enumerate(columns) if at < _ALWAYS or any(row[at] for row in body)]
    print_table(
        f"{word} {len(body):,} of {found.total:,}",
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
