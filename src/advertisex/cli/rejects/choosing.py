"""Which rejects a command that writes is about, and what it says of those that it leaves out."""

from typing import Annotated

import typer

from advertisex.cli.output import err, say
from advertisex.inspection.replays import left_out_notes, unaffected_warnings
from advertisex.rejects.preview import Preview
from advertisex.rejects.repair import Applied
from advertisex.rejects.replay import Replayed

IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Reject ids, topic/partition/offset, as `list` shows them.")
]


def print_left_out(of: Replayed | Preview) -> None:
    """Print what is left out, and how to include it."""
    for note in left_out_notes(of):
        say(note)


def warn_of_unaffected(applied: Applied) -> None:
    """Warn on stderr of options of a repair that apply to no message, or that can be wrong for one."""
    for text in unaffected_warnings(applied):
        err.print(f"warning: {text}", markup=False, soft_wrap=True)
