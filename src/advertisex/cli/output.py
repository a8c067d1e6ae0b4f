"""Output of commands: JSON or tables on stdout, progress and notices on stderr."""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from rich.text import Text

from advertisex.reporting.cells import visible
from advertisex.reporting.json_text import json_text, json_text_with_list

#: Width of tables when stdout is not a terminal.
_WIDE = 200

#: At least this width is assumed.
_NARROW = 40

_WORD = re.compile(r"\s*\S+\s*")


class _Output(Console):
    """The console of stdout. Its width is that of COLUMNS, else that of the terminal, else fixed."""

    @property  # type: ignore[misc] # of rich, it can also be set
    def size(self) -> ConsoleDimensions:
        return ConsoleDimensions(max(_width_of(sys.stdout), _NARROW), 25)


def _width_of(stream: TextIO) -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80  # some terminals do not know theirs
    except (OSError, ValueError):
        return _WIDE


out = _Output(highlight=False)
err = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """Print one JSON document and a newline on stdout; a Decimal becomes a number with all its digits."""
    sys.stdout.write(json_text(document))


def print_json_with_list(document: Mapping[str, Any], name: str, items: Iterable[Any]) -> None:
    """Print one JSON document whose last member is a list, item by item as they arrive."""
    sys.stdout.writelines(json_text_with_list(document, name, items))


@contextmanager
def spooled() -> Iterator[BinaryIO]:
    """Provide a temporary file; when the context ends without an exception, its content is written to stdout.

    A reader of stdout may be slow, a pager for example: open the store inside the context, so that it is released.
    """
    with tempfile.TemporaryFile() as file:
        try:
            yield file
            file.seek(0)
        except OSError as error:
            error.filename = error.filename or tempfile.gettempdir()  # the disk that is full, for example
            raise
        sys.stdout.flush()
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def plain(text: str) -> Text:
    """Return untrusted text as is: markup is not interpreted, and control characters are made visible."""
    return Text(visible(text))


def say(text: str | Text, *, head: str | Text = "", style: str = "") -> None:
    """Print a text on stdout.

    A terminal gets lines that end between words, so that ids and paths can be copied, and that begin below the end of
    `head`; a pipe gets one line.
    """
    body, first = (part if isinstance(part, Text) else plain(part) for part in (text, head))
    lines = _wrapped(body, out.width - first.cell_len) if out.is_terminal else [body]
    for number, line in enumerate(lines):
        line.rstrip()
        out.print(Text.assemble(Text(" " * first.cell_len) if number else first, line), style=style, soft_wrap=True)


def _wrapped(text: Text, width: int) -> Iterable[Text]:
    """Break a text between words; a word that is too long keeps its line, which the terminal wraps."""
    breaks, used = list[int](), 0
    for word in _WORD.finditer(text.plain):
        if used and used + cell_len(word[0].rstrip()) > width:
            breaks.append(word.start())
            used = 0
        used += cell_len(word[0])
    return text.divide(breaks)
