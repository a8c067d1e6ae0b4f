"""Output of commands: JSON or tables on stdout, progress and notices on stderr."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from advertisex.model import COUNT_NAMES, Counts, LedgerRow
from advertisex.reporting.cells import format_value, visible
from advertisex.reporting.json_text import json_text

#: Width of tables when stdout is not a terminal.
_WIDE = 200

#: Counts that have a table of their own.
_REMOVED = {"removed", "removed_rejects"}

out = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
err = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """Print one JSON document and a newline on stdout; a Decimal becomes a number with all its digits."""
    sys.stdout.write(json_text(document))


def plain(text: str) -> Text:
    """Return untrusted text as is: markup is not interpreted, and control characters are made visible."""
    return Text(visible(text))


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Sequence[str] = ()
) -> None:
    """Print a table; the columns in `numbers` are right-aligned."""
    table = Table(header_style="bold", box=None, pad_edge=False)
    for column in columns:
        if column in numbers:
            table.add_column(Text(column), justify="right", no_wrap=True)
        else:
            table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else plain(format_value(cell)) for cell in row))
    out.print(Text(visible(title), style="bold"))
    out.print(table)


def counts_dict(counts: Counts) -> dict[str, int]:
    """Return the counts as a JSON object."""
    return {name: getattr(counts, name) for name in COUNT_NAMES}


def ledger_dict(rows: Sequence[LedgerRow]) -> dict[str, Any]:
    """Return the ledger as a JSON object: rows, total, balanced."""
    total = sum((row.counts for row in rows), Counts())
    return {
        "rows": [
            {
                "topic": row.topic,
                "partition": row.partition,
                "next_offset": row.next_offset,
                **counts_dict(row.counts),
            }
            for row in rows
        ],
        "total": counts_dict(total),
        "balanced": all(row.counts.balanced for row in rows),
    }


def print_ledger(rows: Sequence[LedgerRow], *, as_json: bool = False) -> None:
    """Print the ledger as a table, and whether it balances; or as JSON."""
    document = ledger_dict(rows)
    if as_json:
        print_json(document)
        return
    names = [name for name in COUNT_NAMES if name not in _REMOVED]
    body = [[r["topic"], r["partition"], *(r[name] for name in names)] for r in document["rows"]]
    body.append(["total", "", *(document["total"][name] for name in names)])
    columns = ("topic", "partition", *names)
    print_table("Ledger", columns, body, numbers=columns[1:])
    if removed := [row for row in rows if row.counts.removed or row.counts.removed_rejects]:
        values = ([row.topic, row.partition, row.counts.removed, row.counts.removed_rejects] for row in removed)
        heads = ("topic", "partition", "events", "rejects")
        print_table("Removed by retention, and still counted above", heads, values, numbers=heads[1:])
    if document["balanced"]:
        out.print("It balances: read = stored + duplicate + filtered + rejected + erased.")
        if conflicts := document["total"]["conflict"]:
            differ = "differs" if conflicts == 1 else "differ"
            out.print(
                f"{conflicts:,} of the duplicates {differ} from the stored event: "
                "`advertisex rejects list --kind conflict`.",
                soft_wrap=True,
            )
    else:
        out.print("[red bold]It does not balance.[/] Please report this with the table above.")


@contextmanager
def progress(title: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    """Show a progress bar on stderr, if that is a terminal."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}"),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        yield bar, bar.add_task(title, total=total)
