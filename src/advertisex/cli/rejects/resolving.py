"""`advertisex rejects resolve`: mark rejects as dealt with, or reopen them."""

from dataclasses import asdict, replace
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
    store_for_changes,
)
from advertisex.cli.output import err, print_json, say
from advertisex.cli.progress import progress
from advertisex.cli.rejects.choosing import IdsArgument
from advertisex.cli.server import ServerOption, asked
from advertisex.cli.signals import stop_on_signals
from advertisex.cli.typed import spread
from advertisex.errors import INTERRUPTED, ConfigurationError
from advertisex.inspection.filters import ReplayedFilters
from advertisex.inspection.reading import utc
from advertisex.inspection.replays import selected
from advertisex.inspection.resolving import Resolvable, Resolved, counted, resolved
from advertisex.questions.option import named
from advertisex.settings.model import Settings
from advertisex.stores.contract import RejectQuery


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
    server: ServerOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Mark rejected and filtered messages and conflicts as dealt with: `list` hides them, `replay` leaves them out.

    Nothing is deleted, and the ledger does not change. `list --resolved` shows who resolved what, when and why.
    """
    query = selected(filters, ids, all_=all_)
    if not yes and as_json:
        raise ConfigurationError("--json cannot be combined with a question", hint="add --yes")
    if server is None:
        settings = settings_of(config, data=data, log=log, store=store)
        if not yes:
            query = _confirmed(settings, query, note, reopen=reopen)
        done = _resolved(settings, query, note, reopen=reopen)
    else:
        with asked(server, data=data, log=log, store=store, config=config) as remote:
            given = named(ReplayedFilters, asdict(filters)) | {"id": ids, "all": all_, "note": note, "reopen": reopen}
            if not yes:
                check_can_ask("a resolution")
                found = remote.post("rejects/resolve", {**given, "dry_run": True}, Resolvable)
                _confirm(found, reopen=reopen)
                given["as_of"] = utc(found.as_of)
            done = remote.post("rejects/resolve", given, Resolved)
    _print(done, as_json=as_json)
    if done.record.interrupted:
        raise typer.Exit(INTERRUPTED)


def _confirmed(settings: Settings, query: RejectQuery, note: str, *, reopen: bool) -> RejectQuery:
    """Ask for confirmation; return the query for the rejects that were counted, without those that came later."""
    check_can_ask("a resolution")
    with opened_store(settings, read_only=True) as event_store:
        found = counted(event_store, query, note, reopen=reopen)
    _confirm(found, reopen=reopen)
    return replace(query, as_of=found.as_of)


def _confirm(found: Resolvable, *, reopen: bool) -> None:
    if found.rejects:
        rejects = f"{found.rejects:,} {'reject' if found.rejects == 1 else 'rejects'}"
        question = f"Reopen {rejects}?" if reopen else f"Mark {rejects} as resolved?"
        confirm(question, "nothing was changed")


def _resolved(settings: Settings, query: RejectQuery, note: str, *, reopen: bool) -> Resolved:
    with (
        store_for_changes(settings) as event_store,
        stop_on_signals(event_store.interrupt) as stop,
        progress("reopening" if reopen else "resolving", None) as bar,
    ):
        return resolved(event_store, query, note, reopen=reopen, stop=stop, on_progress=bar.reach)


def _print(done_: Resolved, *, as_json: bool) -> None:
    if as_json:
        print_json(done_.document())
        return
    record, already = done_.record, done_.already
    done = "reopened" if record.reopened else "resolved"
    rejects = f"{record.rejects:,} {'reject' if record.rejects == 1 else 'rejects'}"
    as_ = f" as resolution {record.id}" if record.rejects and not record.reopened else ""
    say(f"{done.capitalize()} {rejects}{as_}.")
    if already:
        were = f"{'was' if already == 1 else 'were'} {'not resolved' if record.reopened else 'resolved already'}"
        say(f"{already:,} more {were}.")
    if record.interrupted:
        err.print("interrupted; run this again for the others")
