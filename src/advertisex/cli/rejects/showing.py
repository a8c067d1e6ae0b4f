"""`advertisex rejects show`: messages, and why they were not stored."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.text import Text

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    place_of,
    settings_of,
)
from advertisex.cli.output import out, plain, print_json, say
from advertisex.cli.server import ServerOption, asked
from advertisex.codecs.unreadable import body_of
from advertisex.inspection.shown_rejects import FORMATS, Shown, excerpt, shown_document, shown_rejects
from advertisex.rejects.explained import Explained

#: Lines of a message, and characters of a line, printed without --full.
_LINES, _WIDTH = 60, 500


def show_rejects(
    ids: Annotated[
        list[str], typer.Argument(metavar="ID", help="Reject ids, topic/partition/offset, as `list` shows them.")
    ],
    full: Annotated[bool, typer.Option("--full", help="Print the whole message, however long it is.")] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show rejected and filtered messages and conflicts: the failing field, the rule, and the result of a replay."""
    if server is None:
        shown = shown_rejects(place_of(settings_of(config, data=data, log=log, store=store)), ids)
    else:
        with asked(server, data=data, log=log, store=store, config=config) as remote:
            shown = remote.get("rejects/show", {"id": ids}, list[Shown])
    if as_json:
        print_json(shown_document(shown))
        return
    for number, one in enumerate(shown):
        if number:
            out.print()
        _print(one, full=full)


def _print(shown: Shown, *, full: bool) -> None:
    explained = shown.explained
    out.print(plain(str(shown.id)), style="bold", soft_wrap=True)
    for name, value in shown.facts():
        say(value, head=Text(f"  {name:<10}", "dim"))
    absent = f", without {explained.field}" if explained.field and explained.failing is None else ""
    size = len(body_of(shown.row["payload"]))
    say(f"  message ({FORMATS[explained.message.format]}, {size:,} bytes){absent}:", style="dim")
    for line in _lines(explained, full=full):
        out.print(line, soft_wrap=True)


def _lines(explained: Explained, *, full: bool) -> Iterator[Text]:
    """Yield the lines of the message, with the failing field marked; of a long message, those around it."""
    part = excerpt(explained, None if full else _LINES)
    if part.start:
        yield Text(f"    … {part.start:,} lines", "dim")
    for number, line in enumerate(part.lines):
        text = line if full or len(line) <= _WIDTH else f"{line[:_WIDTH]}…"
        marked = number == part.failing
        yield Text.assemble("  > " if marked else "    ", plain(text), style="bold red" if marked else "")
    if part.left:
        yield Text(f"    … {part.left:,} more lines: --full shows them", "dim")
