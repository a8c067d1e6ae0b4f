"""`advertisex rejects`: what was refused, and why."""

from base64 import b64encode
from typing import Annotated, Any

import polars as pl
import typer

from advertisex.cli.options import (
    MOST_LISTED,
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    StoreOption,
    opened_store,
    settings_of,
)
from advertisex.cli.output import out, print_json, print_table
from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.stores.contract import RejectQuery

#: With the other columns, a line of a table that is not for a terminal.
_LONGEST_DETAIL = 140

app = typer.Typer(help="What was rejected or filtered, and why.", no_args_is_help=True)

_SHOWN = ("topic", "partition", "offset", "feed", "kind", "stage", "reason", "detail")


@app.callback()
def rejects() -> None:
    """What was rejected or filtered, and why."""


@app.command("list")
def list_rejects(
    reason: Annotated[str | None, typer.Option(metavar="CODE", help="Only this reason.")] = None,
    feed: Annotated[str | None, typer.Option(metavar="FEED", help="Only this feed.")] = None,
    limit: Annotated[int, typer.Option(min=0, max=MOST_LISTED, help="At most so many rows.")] = 20,
    data: DataOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List rejected and filtered messages, counted by reason, then row by row."""
    if feed is not None and feed not in FEEDS:
        raise ConfigurationError(f"there is no feed {feed!r}", mend=f"use one of {', '.join(FEEDS)}")
    settings = settings_of(config, data=data, store=store)
    query = RejectQuery(reason=reason, feed=feed, limit=limit)
    with opened_store(settings, read_only=True) as event_store:
        counts = event_store.reject_counts(query)
        rows = event_store.rejects(query)
    total = int(counts["count"].sum())
    if as_json:
        print_json({"rejects": [_document(row) for row in rows.iter_rows(named=True)], "total": total})
        return
    by_reason = counts.group_by("feed", "kind", "reason").agg(pl.sum("count")).sort("feed", "kind", "reason")
    print_table("By reason", by_reason.columns, by_reason.iter_rows(), numbers=["count"])
    out.print()
    columns = ("position", "reason", "detail")
    body = [
        (f"{row['topic']}/{row['partition']}/{row['offset']}", row["reason"], _one_line(row["detail"]))
        for row in rows.iter_rows(named=True)
    ]
    print_table(f"The first {len(body):,} of {total:,}", columns, body)


def _one_line(detail: str) -> str:
    """A detail without its middle, should it be long: where comes first, and why comes last."""
    line = " ".join(detail.split())
    half = _LONGEST_DETAIL // 2
    return line if len(line) <= _LONGEST_DETAIL else f"{line[:half].rstrip()} … {line[-half:].lstrip()}"


def _document(row: dict[str, Any]) -> dict[str, Any]:
    document = {name: row[name] for name in _SHOWN}
    payload: bytes = row["payload"]
    try:
        return document | {"payload": payload.decode()}
    except UnicodeDecodeError:
        return document | {"payload": b64encode(payload).decode(), "encoding": "base64"}
