"""The preview of `advertisex rejects replay`, on the screen."""

from advertisex.cli.output import out, plain
from advertisex.cli.rejects.choosing import print_left_out
from advertisex.cli.tables import print_table
from advertisex.inspection.replays import Previewed


def print_preview(found: Previewed) -> None:
    """Print what would become of the messages, and the first ones as they would be sent."""
    for result, text in found.examples():
        out.print(plain(result), style="bold", soft_wrap=True)
        out.print(plain(text), soft_wrap=True)
    if found.texts:
        out.print()
    rows = [(result.feed, result.kind, result.reason, count) for result, count in found.results]
    columns = ("feed", "result", "reason", "count")
    print_table(f"{found.seen.messages:,} would be sent", columns, rows, numbers=["count"])
    print_left_out(found.seen)
