"""Progress of long work on stderr, if a person looks at it: how far it is, how fast, and how long it will take."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich import filesize
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from advertisex.cli.output import err, out
from advertisex.reporting.cells import visible


class Bar:
    """How far some work is."""

    def __init__(self, progress: Progress, unit: str) -> None:
        self._progress, self._unit = progress, unit
        self._task: TaskID | None = None

    @property
    def is_shown(self) -> bool:
        """Whether somebody sees it; otherwise, a total need not be counted."""
        return not self._progress.disable

    def begin(self, title: str, total: int | None) -> None:
        """Begin the work, or the next part of it."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(visible(title), total=total, unit=self._unit)

    def advance(self, count: int) -> None:
        """Add to what is done."""
        assert self._task is not None
        self._progress.advance(self._task, count)

    def reach(self, done: int) -> None:
        """Set what is done."""
        assert self._task is not None
        self._progress.update(self._task, completed=done)


@contextmanager
def progress(title: str, total: int | None, *, unit: str = "") -> Iterator[Bar]:
    """Show a progress bar on stderr, if that is a terminal that can, and the output is not for a program.

    Args:
        title: what is being done.
        total: how much there is to do, if known.
        unit: "bytes", or empty for a number of messages or rows.
    """
    for_program = "--json" in sys.argv and not out.is_terminal
    whole = Column(no_wrap=True)  # only the bar gets narrower
    shown = Progress(
        TextColumn("{task.description}", markup=False, table_column=whole),
        _Bar(bar_width=None),
        _Done(whole),
        _Rate(whole),
        _Left(compact=True, table_column=whole),
        console=err,
        transient=True,
        expand=True,
        disable=not err.is_terminal or err.is_dumb_terminal or for_program,
    )
    with shown:
        bar = Bar(shown, unit)
        bar.begin(title, total)
        yield bar


class _Bar(BarColumn):
    """The bar, if the total is known."""

    def render(self, task: Task) -> Any:
        return Text() if task.total is None else super().render(task)


class _Done(ProgressColumn):
    """How much is done, and of how much."""

    def render(self, task: Task) -> Text:
        if task.total is None and not task.completed:
            return Text()
        done = _quantity(task.completed, task)
        return Text(done if task.total is None else f"{done}/{_quantity(task.total, task)}")


class _Rate(ProgressColumn):
    """How much is done in a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{_quantity(task.speed, task)}/s" if task.speed else "", "dim")


class _Left(TimeRemainingColumn):
    """How long it will take, or how long it has taken if the total is not known."""

    def render(self, task: Task) -> Text:
        if task.total is not None:
            return Text.assemble(super().render(task), " left")
        minutes, seconds = divmod(int(task.elapsed or 0), 60)
        return Text(f"{minutes:02}:{seconds:02}", "dim")


def _quantity(number: float, task: Task) -> str:
    return filesize.decimal(int(number)) if task.fields["unit"] == "bytes" else f"{int(number):,}"
