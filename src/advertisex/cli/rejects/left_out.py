"""What a replay or its preview leaves out, and which options of a repair do nothing to a message."""

from typing import Any

from advertisex.cli.output import err, say
from advertisex.rejects.preview import Preview
from advertisex.rejects.repair import Applied
from advertisex.rejects.replay import Replayed

#: Why an option of reading does not apply to one message, or to several.
_UNAFFECTED = {
    "--encoding": (
        "it is UTF-8 or binary, and its original bytes are not kept; ingest the source again with --encoding",
        "they are UTF-8 or binary, and their original bytes are not kept; ingest the source again with --encoding",
    ),
    "--time-format": ("its timestamp has none of these formats", "their timestamps have none of these formats"),
    "--decimal": ("it has no number in text", "they have no number in text"),
}


def left_out_document(of: Replayed | Preview) -> dict[str, Any]:
    """Return the counts as members of a JSON object."""
    return {
        "replayed_before": of.left,
        "resolved": of.resolved,
        "conflicts_left_out": of.conflicts,
        "unmatched": of.applied.unmatched,
        "unaffected": of.applied.unaffected,
        "two_readings": of.applied.two_readings,
    }


def print_left_out(of: Replayed | Preview) -> None:
    """Print what is left out, and how to include it."""
    more = " more" if of.messages else ""
    if of.unrepairable:
        say(f"{of.unrepairable:,} cannot be repaired: not decodable. They are left unchanged.")
    if of.left:
        say(f"{of.left:,}{more} were already replayed; --force sends them again.")
    if of.resolved:
        say(f"{of.resolved:,}{more} are resolved; --force sends them, too.")
    if of.conflicts:
        conflicts = "conflict was" if of.conflicts == 1 else "conflicts were"
        say(
            f"{of.conflicts:,} {conflicts} left out: select them with --kind conflict, and repair them, for example "
            "with --set."
        )


def warn_of_unaffected(applied: Applied) -> None:
    """Warn on stderr of options of a repair that apply to no message, or that can be wrong for one."""
    for column in applied.unmatched:
        err.print(f"warning: no message has the column {column!r} of --map", markup=False, soft_wrap=True)
    for option, count in applied.unaffected.items():
        messages, why = "message" if count == 1 else "messages", _UNAFFECTED[option][count > 1]
        err.print(f"warning: {option} does not apply to {count:,} {messages}: {why}", soft_wrap=True)
    if applied.two_readings:
        count = applied.two_readings
        messages = "message has" if count == 1 else "messages have"
        err.print(
            f"warning: {count:,} {messages} a number that can be read in two ways, such as 1.234; it is read as "
            "--decimal and --thousands say: leave these out if the source was ingested with them",
            soft_wrap=True,
        )
