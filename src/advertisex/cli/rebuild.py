"""`advertisex rebuild`: make a new store from the log, and put it in the place of the old one."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from advertisex.catalogue.file import read_catalogue
from advertisex.catalogue.imports import import_catalogue
from advertisex.cli.catalogue_change import report_import
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_log,
    settings_of,
)
from advertisex.cli.output import err, ledger_dict, out, print_json, print_ledger, progress
from advertisex.cli.signals import stop_on_signals
from advertisex.errors import INTERRUPTED, ConfigurationError
from advertisex.logs.contract import EventLog
from advertisex.model import LedgerRow, Partition
from advertisex.processing.configured import processing_of
from advertisex.processing.runner import Committed, Processing
from advertisex.rebuild import Missing, Rebuilt, missing_messages, rebuild_store
from advertisex.settings.model import Settings
from advertisex.stores.format import FORMAT
from advertisex.stores.open import drop_old as drop_kept
from advertisex.stores.open import open_replacement
from advertisex.stores.replacement import Progress, Replacement

_NO_CATALOGUE = "It has no catalogue, so impressions and bids have no campaign: run `advertisex catalogue import FILE`."


def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Continue without messages that the log no longer holds.")] = False,
    drop_old: Annotated[
        bool,
        typer.Option("--drop-old", help="Only delete what a rebuild left beside the store."),
    ] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a new store from the log beside the old one, and then put it in its place.

    Needed when the store has another format, or after a change of settings that decide what an event is. Erasures,
    replay marks, alert states and the catalogue are carried over. After an interrupt, run it again to continue.
    """
    settings = settings_of(config, data=data, log=log, store=store)
    if drop_old:
        _drop(settings, as_json=as_json)
        return
    processing = processing_of(settings)
    catalogue = read_catalogue(settings.catalogue) if settings.catalogue else None
    with (
        opened_log(_in_own_group(settings), create=False) as event_log,
        open_replacement(
            settings.store_url, memory=settings.memory, elasticsearch=settings.elasticsearch
        ) as replacement,
    ):
        missing = missing_messages(replacement, event_log, processing)
        if missing:
            _confirm(missing, yes=yes)
        before, progress_before = replacement.format, replacement.progress()
        rebuilt = _rebuild(replacement, event_log, processing, missing)
        if rebuilt.kept and catalogue is not None and settings.catalogue is not None:
            report_import(import_catalogue(catalogue, replacement.new), settings.catalogue)
        has_catalogue = bool(replacement.new.catalogue_imports())
    if not rebuilt.kept:
        err.print("the old store is unchanged; run `advertisex rebuild` again to continue")
        raise typer.Exit(INTERRUPTED)
    if as_json:
        changed = {"format_before": before, "format": FORMAT, "kept": rebuilt.kept}
        print_json(changed | {"missing": list(map(asdict, missing))} | ledger_dict(rebuilt.ledger))
        return
    print_ledger(rebuilt.ledger)
    for line in _changes(progress_before, rebuilt.ledger):
        out.print(line, markup=False, soft_wrap=True)
    formats = "" if before == FORMAT else f" (format {before} to {FORMAT})"
    out.print(f"The store was rebuilt from the log{formats}.", soft_wrap=True)
    out.print(f"The old one is kept: {rebuilt.kept}", markup=False, soft_wrap=True)
    out.print("Delete it with `advertisex rebuild --drop-old` when you no longer need it.", soft_wrap=True)
    if not has_catalogue:
        out.print(_NO_CATALOGUE, soft_wrap=True)


def _rebuild(replacement: Replacement, log: EventLog, processing: Processing, missing: Sequence[Missing]) -> Rebuilt:
    total = sum(log.end_offsets().values()) - sum(log.start_offsets().values())
    with stop_on_signals(replacement.new.interrupt) as stop, progress("rebuilding", total) as (bar, task):

        def on_commit(committed: Committed) -> None:
            bar.advance(task, committed.counts.read)

        return rebuild_store(replacement, log, processing, missing=missing, stop=stop, on_commit=on_commit)


def _changes(before: Mapping[Partition, Progress], ledger: Sequence[LedgerRow]) -> Iterator[str]:
    """A line for each topic whose number of stored events has changed."""
    was = Counter({of.topic: 0 for of in before})
    for of, done in before.items():
        was[of.topic] += done.stored
    now = Counter({row.topic: 0 for row in ledger})
    for row in ledger:
        now[row.topic] += row.counts.stored
    for topic in sorted({*was, *now}):
        if was[topic] != now[topic]:
            yield f"{topic}: {now[topic]:,} events are stored, {was[topic]:,} were before."


def _in_own_group(settings: Settings) -> Settings:
    """The settings with a consumer group of its own: it must read every partition, whoever else is running."""
    kafka = settings.kafka.model_copy(update={"group": f"{settings.kafka.group}_rebuild"})
    return settings.model_copy(update={"kafka": kafka})


def _drop(settings: Settings, *, as_json: bool) -> None:
    dropped = drop_kept(settings.store_url, elasticsearch=settings.elasticsearch)
    if as_json:
        print_json({"dropped": dropped})
        return
    for name in dropped:
        out.print(f"deleted {name}", markup=False, soft_wrap=True)
    if not dropped:
        out.print("No old store is kept.")


def _confirm(missing: Sequence[Missing], *, yes: bool) -> None:
    """Ask whether to go on without messages that the log no longer holds.

    Raises:
        ConfigurationError: stdin is not a terminal.
    """
    for one in missing:
        counts = f"at least {one.messages:,} of {one.read:,} messages are missing"
        err.print(f"{one.topic}/{one.partition}: {counts}: {one.reason}", markup=False, soft_wrap=True)
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        count = sum(m.messages for m in missing)
        first = missing[0]
        raise ConfigurationError(
            f"the log no longer holds {count:,} messages that the store has read, or more",
            where=f"{first.topic}/{first.partition}: {first.reason}",
            hint="restore the log, or add --yes to rebuild without them",
        )
    try:
        sure = typer.confirm("Rebuild without them?", err=True)
    except typer.Abort:  # interrupt or end of input
        raise KeyboardInterrupt from None
    if not sure:
        err.print("nothing was changed")
        raise typer.Exit(1)
