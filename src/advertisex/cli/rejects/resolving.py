"""`advertisex rejects resolve`: mark rejects as dealt with, or reopen them."""

from dataclasses import replace
from typing import Annotated

import typer

from advertisex.cli.confirming import check_can_ask, confirm
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_store,
    settings_of,
    store_for_marks,
)
from advertisex.cli.output import err, print_json, say
from advertisex.cli.progress import progress
from advertisex.cli.rejects.choosing import IdsArgument
from advertisex.cli.signals import stop_on_signals
from advertisex.cli.typed import spread
from advertisex.errors import INTERRUPTED, ConfigurationError
from advertisex.inspection.filters import ReplayedFilters
from advertisex.inspection.replays import selected
from advertisex.rejects.export import resolution_document
from advertisex.rejects.resolve import checked_note, resolvable, resolve
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore, RejectQuery
from advertisex.stores.resolutions import Resolution


@spread
def resolve_rejects(
    filters: ReplayedFilters,
    ids: IdsArgument = None,
    all_: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with your user name and the time.")] = "",
    reopen: Annotated[bool, typer.Option("--reopen", help="Reopen resolved ones instead.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Mark rejected and filtered messages and conflicts as dealt with: `list` hides them, `replay` leaves them out.

    Nothing is deleted, and the ledger does not change. `list --resolved` shows who resolved what, when and why.
    """
    query = selected(filters, ids, all_=all_)
    settings = settings_of(config, data=data, log=log, store=store)
    if not yes:
        if as_json:
            raise ConfigurationError("--json cannot be combined with a question", hint="add --yes")
        query = _confirmed(settings, query, note, reopen=reopen)
    with (
        store_for_marks(settings) as event_store,
        stop_on_signals(event_store.interrupt) as stop,
        progress("reopening" if reopen else "resolving", None) as bar,
    ):
        record = resolve(
            event_store,
            query,
            note,
            reopen=reopen,
            stop=stop,
            on_progress=bar.reach,
        )
        already = max(0, number_of(event_store, replace(query, resolved=not reopen)) - record.rejects)
    _print(record, already, as_json=as_json)
    if record.interrupted:
        raise typer.Exit(INTERRUPTED)


def number_of(store: EventStore, query: RejectQuery) -> int:
    """Count the rejects that a query selects."""
    return int(store.reject_counts(query)["count"].sum())


def _confirmed(settings: Settings, query: RejectQuery, note: str, *, reopen: bool) -> RejectQuery:
    """Ask for confirmation; return the query for the rejects that were counted, without those that came later."""
    check_can_ask("a resolution")
    with opened_store(settings, read_only=True) as event_store:
        checked_note(event_store, note)
        query = replace(query, as_of=event_store.settled())
        count = number_of(event_store, resolvable(query, reopen=reopen))
    rejects = f"{count:,} {'reject' if count == 1 else 'rejects'}"
    if count:
        question = f"Reopen {rejects}?" if reopen else f"Mark {rejects} as resolved?"
        confirm(question, "nothing was changed")
    return query


def _print(record: Resolution, already: int, *, as_json: bool) -> None:
    if as_json:
        kept = resolution_document(record) | {"id": record.id if record.rejects else None}
        print_json(kept | {"already": already})
        return
    done = "reopened" if record.reopened else "resolved"
    rejects = f"{record.rejects:,} {'reject' if record.rejects == 1 else 'rejects'}"
    as_ = f" as resolution {record.id}" if record.rejects and not record.reopened else ""
    say(f"{done.capitalize()} {rejects}{as_}.")
    if already:
        were = f"{'was' if already == 1 else 'were'} {'not resolved' if record.reopened else 'resolved already'}"
        say(f"{already:,} more {were}.")
    if record.interrupted:
        err.print("interrupted; run this again for the others")
