"""`advertisex rebuild`: make a new store from the log, and put it in the place of the old one."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from advertisex.catalogue.files import catalogue_files
from advertisex.catalogue.imports import import_catalogue
from advertisex.cli.catalogue_change import report_import
from advertisex.cli.confirming import confirm
from advertisex.cli.ledger_table import print_ledger
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    SkipDamagedOption,
    StoreOption,
    opened_log,
    settings_of,
)
from advertisex.cli.output import err, print_json, say
from advertisex.cli.progress import progress
from advertisex.cli.signals import stop_on_signals
from advertisex.errors import INTERRUPTED, ConfigurationError
from advertisex.logs.contract import EventLog
from advertisex.model import LedgerRow, Partition
from advertisex.processing.configured import processing_of
from advertisex.processing.runner import Committed, Processing
from advertisex.rebuild import Missing, Rebuilt, check_erasures, missing_messages, rebuild_store
from advertisex.reporting.ledger_document import ledger_dict
from advertisex.settings.model import Settings
from advertisex.stores.format import FORMAT
from advertisex.stores.open import drop_old as drop_kept
from advertisex.stores.open import open_replacement
from advertisex.stores.replacement import CATALOGUE, LEDGER, MARKS, NOTES, Progress, Replacement

#: What to do when something of the old store cannot be carried over.
_AFTERWARDS = {
    LEDGER: "what the log no longer has cannot be reported",
    NOTES: "erase users again, and expect alerts to be reported again",
    MARKS: "expect replayed and resolved rejects to be listed as open",
    CATALOGUE: "import the catalogue",
}
_NO_CATALOGUE = "It has no catalogue, so impressions and bids have no campaign: run `advertisex catalogue import FILE`."


def rebuild(
    yes: Annotated[bool, typer.Option("--yes", help="Continue without messages that the log no longer holds.")] = False,
    drop_old: Annotated[
        bool,
        typer.Option("--drop-old", help="Only delete what a rebuild left beside the store."),
    ] = False,
    without_erasures: Annotated[
        bool,
        typer.Option("--without-erasures", help="Continue if the notes about erased users cannot be read."),
    ] = False,
    skip_damaged: SkipDamagedOption = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a new store from the log beside the old one, and then put it in its place.

    Needed when the store has another format, or after a change of settings that decide what an event is. Erasures,
    marks on rejects, alert states and the catalogue are carried over. After an interrupt, run it again to continue.
    """
    settings = settings_of(config, data=data, log=log, store=store)
    if drop_old:
        _drop(settings, as_json=as_json)
        return
    processing = processing_of(settings, skip_damaged=skip_damaged)
    files = catalogue_files(settings)
    tables = files.read()
    with (
        opened_log(_in_own_group(settings), create=False) as event_log,
        open_replacement(
            settings.store_url, memory=settings.memory, elasticsearch=settings.elasticsearch
        ) as replacement,
    ):
        if not without_erasures:
            check_erasures(replacement)
        if replacement.unreadable:
            _confirm_unreadable(replacement, yes=yes)
        missing = missing_messages(replacement, event_log, processing)
        if missing:
            _confirm(missing, yes=yes)
        before, progress_before = replacement.format, replacement.progress()
        rebuilt = _rebuild(replacement, event_log, processing, missing, without_erasures=without_erasures)
        if rebuilt.kept and files.paths:
            report_import(import_catalogue(tables.creatives, replacement.new, tables.campaigns), files)
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
        say(line)
    formats = "" if before == FORMAT else f" (format {before} to {FORMAT})"
    say(f"The store was rebuilt from the log{formats}.")
    say(f"The old one is kept: {rebuilt.kept}")
    say("Delete it with `advertisex rebuild --drop-old` when you no longer need it.")
    if not has_catalogue:
        say(_NO_CATALOGUE)


def _rebuild(
    replacement: Replacement,
    log: EventLog,
    processing: Processing,
    missing: Sequence[Missing],
    *,
    without_erasures: bool,
) -> Rebuilt:
    topics = [feed.topic for feed in processing.feeds.values()]
    total = sum(log.end_offsets(topics).values()) - sum(log.start_offsets(topics).values())
    with stop_on_signals(replacement.new.interrupt) as stop, progress("rebuilding", total) as bar:

        def on_commit(committed: Committed) -> None:
            bar.advance(committed.counts.read)

        return rebuild_store(
            replacement,
            log,
            processing,
            missing=missing,
            without_erasures=without_erasures,
            stop=stop,
            on_commit=on_commit,
        )


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
        say(f"deleted {name}")
    if not dropped:
        say("No old store is kept.")


def _confirm(missing: Sequence[Missing], *, yes: bool) -> None:
    """Ask whether to go on without messages that the log no longer holds.

    Raises:
        ConfigurationError: stdin is not a terminal.
    """
    for one in missing:
        counts = f"at least {one.messages:,} of {one.read:,} messages are missing"
        err.print(f"{one.topic}/{one.partition}: {counts}: {one.reason}", markup=False, soft_wrap=True)
    count = sum(m.messages for m in missing)
    first = missing[0]
    lacking = ConfigurationError(
        f"the log no longer holds {count:,} messages that the store has read, or more",
        where=f"{first.topic}/{first.partition}: {first.reason}",
        hint="restore the log, or add --yes to rebuild without them",
    )
    _ask(lacking, yes=yes)


def _confirm_unreadable(replacement: Replacement, *, yes: bool) -> None:
    """Ask whether to go on without something that only the old store knew.

    Raises:
        ConfigurationError: stdin is not a terminal.
    """
    what = ", ".join(replacement.unreadable)
    for one in replacement.unreadable:
        err.print(f"The {one} of the old store cannot be read: {_AFTERWARDS[one]}.", markup=False, soft_wrap=True)
    problem = ConfigurationError(
        f"what only the old store knows cannot be carried over: {what}",
        hint="restore it from a backup, or add --yes to rebuild without that",
    )
    _ask(problem, yes=yes)


def _ask(problem: ConfigurationError, *, yes: bool) -> None:
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise problem
    confirm("Rebuild without that?", "nothing was changed")
