"""The ledger as a table and as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from advertisex.cli.output import out, print_json, say
from advertisex.cli.tables import print_table
from advertisex.model import COUNT_NAMES, LedgerRow
from advertisex.reporting.ledger_document import ledger_dict

#: Counts that are not in the table: they are printed below it, if there are any.
_BELOW = {"removed", "removed_rejects", "lost"}

#: Counts that lie outside the balance, and the width from which on they are printed beside the others.
_OUTSIDE, _WIDE = ("conflict", "redelivered"), 100


def print_ledger(rows: Sequence[LedgerRow], *, as_json: bool = False) -> None:
    """Print the ledger as a table, and whether it balances; or as JSON."""
    document = ledger_dict(rows)
    if as_json:
        print_json(document)
        return
    _print_counts(document)
    if removed := [row for row in rows if row.counts.removed or row.counts.removed_rejects]:
        values = ([row.topic, row.partition, row.counts.removed, row.counts.removed_rejects] for row in removed)
        heads = ("topic", "partition", "events", "rejects")
        print_table("Removed by retention, and still counted above", heads, values, numbers=heads[1:])
    for row in rows:
        if row.counts.lost:
            say(lost_text(row))
    if document["balanced"]:
        say("It balances: read = stored + duplicate + filtered + rejected + erased.")
        if rejected := document["total"]["rejected"]:
            say(f"{rejected:,} rejected: `advertisex rejects list`.")
        if conflicts := document["total"]["conflict"]:
            differ = "differs" if conflicts == 1 else "differ"
            say(
                f"{conflicts:,} of the duplicates {differ} from the stored event: "
                "`advertisex rejects list --kind conflict`."
            )
    else:
        say(Text.assemble(("It does not balance.", "red bold"), " Please report this with the table above."))


def print_expired(count: int) -> None:
    """Say how many messages were filtered since the store no longer keeps events of their time, if any."""
    if count:
        say(
            f"{count:,} filtered, older than what the store keeps (store.keep_days): "
            "`advertisex rejects list --kind filtered --reason expired`."
        )


def _print_counts(document: dict[str, Any]) -> None:
    """Print the counts; in a narrow terminal, those outside the balance follow in a table of their own, if any."""
    rows = [*document["rows"], {"topic": "total", "partition": "", **document["total"]}]
    names = [name for name in COUNT_NAMES if name not in _BELOW]
    if out.width >= _WIDE:
        columns = ["topic", "partition", *names]
        body = [[row[name] for name in columns] for row in rows]
        print_table("Ledger", columns, body, keys=columns[:2], numbers=columns[1:])
        return
    names = [name for name in names if name not in _OUTSIDE]
    body = [[_place(row), *(row[name] for name in names)] for row in rows]
    print_table("Ledger", ["partition", *names], body, numbers=names)
    if any(document["total"][name] for name in _OUTSIDE):
        out.print()
        outside = [[_place(row), *(row[name] for name in _OUTSIDE)] for row in rows]
        print_table("Outside the balance", ["partition", *_OUTSIDE], outside, numbers=_OUTSIDE)


def _place(row: dict[str, Any]) -> str:
    return row["topic"] if row["partition"] == "" else f"{row['topic']}/{row['partition']}"


def lost_text(row: LedgerRow) -> str:
    """What a partition has lost, as a sentence."""
    messages = "message" if row.counts.lost == 1 else "messages"
    return (
        f"Lost: {row.counts.lost:,} {messages} of {row.topic}/{row.partition}, which the log no longer gave: "
        "removed before they were read, or damaged and skipped."
    )
