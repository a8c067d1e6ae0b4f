"""`advertisex process --workers N`: the catalogue is imported once, then N processes work; the ledger says how far."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from threading import Event, Thread
from typing import NamedTuple

import typer

from advertisex.catalogue.files import catalogue_files
from advertisex.cli.catalogue_change import import_catalogue
from advertisex.cli.options import opened_log, opened_store, store_when_available
from advertisex.cli.progress import Bar, progress
from advertisex.cli.signals import stop_on_signals
from advertisex.cli.workers import check_shareable, command_of_worker, run_workers
from advertisex.errors import INTERRUPTED, StoreError
from advertisex.model import LedgerRow
from advertisex.processing.lag import lags
from advertisex.processing.runner import Processing
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore
from advertisex.stores.interruptible import GivenUp, interruptible
from advertisex.stores.retention import expired_in

#: Seconds between two looks at the ledger.
_LOOK_SECONDS = 0.5


class Stored(NamedTuple):
    """What a command reports of the store at its end: the ledger, and how many events arrived below the floor."""

    rows: list[LedgerRow]
    expired: int


def stored_in(store: EventStore) -> Stored:
    """Read what a command reports of the store."""
    return Stored(store.ledger(), expired_in(store))


def process_with_workers(settings: Settings, processing: Processing, workers: int) -> tuple[Stored, bool]:
    """Import the catalogue, then run the workers; unless they follow the log, with a progress bar.

    Returns:
        What is stored, and whether they reached the end of the log.

    Raises:
        ConfigurationError: the log or the store is embedded.
        LogError: the log cannot be read.
        StoreError: the store cannot be opened.
        typer.Exit: a worker failed, or an interrupt came before the store responded.
    """
    check_shareable(settings)
    read, waiting = (0, None) if processing.follow else _read_and_waiting(settings, processing)
    with stop_on_signals() as stop, ExitStack() as stack:
        if settings.catalogue:
            try:
                interruptible(partial(_import_catalogue, settings, follow=processing.follow), stop)
            except GivenUp:
                raise typer.Exit(INTERRUPTED) from None
        if waiting is not None:
            bar = stack.enter_context(progress("processing", waiting))
            stack.enter_context(following(bar, read, partial(opened_store, settings, read_only=True)))
        commands = [command_of_worker(sys.argv[1:], index) for index in range(workers)]
        ended = run_workers(commands, stop, partial(_ledger_of, settings), follows=processing.follow)
    if ended.interruption_explained or ended.code not in {0, INTERRUPTED}:
        raise typer.Exit(ended.code)  # a worker has reported why, so do not wait for the store again
    finished = not ended.code
    try:
        return interruptible(partial(_stored_in, settings), stop), finished
    except (StoreError, GivenUp):
        if finished and not stop.is_set():
            raise
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def following(
    bar: Bar, read: int, open_store: Callable[[], EventStore], seconds: float = _LOOK_SECONDS
) -> Iterator[None]:
    """Let a bar show how many messages other processes add to the ledger, while the block runs.

    A thread reads the ledger: a store that does not respond delays neither the restart of a worker nor an interrupt.

    Args:
        bar: the bar; nothing is read if nobody sees it.
        read: messages in the ledger at the beginning.
        open_store: opens the store; called again after it could not be read.
        seconds: time between two looks.
    """
    ended = Event()

    def follow() -> None:
        while not ended.wait(seconds):
            with suppress(StoreError), open_store() as store:
                while not ended.wait(seconds):
                    bar.reach(_messages_read(store) - read)

    if bar.is_shown:
        Thread(target=follow, name="progress", daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _read_and_waiting(settings: Settings, processing: Processing) -> tuple[int, int]:
    """The numbers of messages that are in the ledger, and that wait in the log; both can be opened then.

    Raises:
        LogError: the log cannot be read.
        StoreError: the store cannot be opened.
    """
    with opened_log(settings, create=False) as log, opened_store(settings, read_only=False) as store:
        log.identities(processing.topics)
        return _messages_read(store), sum(lags(log, store, processing.topics).values())


def _messages_read(store: EventStore) -> int:
    return sum(row.counts.read for row in store.ledger())


def _import_catalogue(settings: Settings, *, follow: bool) -> None:
    with store_when_available(settings) if follow else opened_store(settings, read_only=False) as store:
        import_catalogue(catalogue_files(settings), store, follow=follow)


def _stored_in(settings: Settings) -> Stored:
    with opened_store(settings, read_only=True) as store:
        return stored_in(store)


def _ledger_of(settings: Settings) -> list[LedgerRow]:
    with opened_store(settings, read_only=True) as store:
        return store.ledger()
