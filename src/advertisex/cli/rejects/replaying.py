"""`advertisex rejects replay`: send rejects to the log again, repaired or unchanged."""

from contextlib import ExitStack
from dataclasses import asdict
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
    settings_of,
)
from advertisex.cli.output import print_json, say
from advertisex.cli.rejects.choosing import IdsArgument, print_left_out, warn_of_unaffected
from advertisex.cli.rejects.previewing import print_preview
from advertisex.cli.rejects.replays import Own, Remote, Replays
from advertisex.cli.server import ServerOption, asked
from advertisex.cli.tables import print_table
from advertisex.cli.typed import spread
from advertisex.errors import INTERRUPTED, ConfigurationError
from advertisex.inspection.filters import RejectFilters
from advertisex.inspection.replays import Previewed, Repair, replayed_document, selected
from advertisex.questions.option import named
from advertisex.rejects.replay import Replayed


@spread
def replay_rejects(
    filters: RejectFilters,
    repair: Repair,
    ids: IdsArgument = None,
    all_: Annotated[bool, typer.Option("--all", help="All that have not been replayed yet.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, without sending it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Include those already replayed or resolved.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the preview and the confirmation.")] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Resend rejected and filtered messages to the log, unchanged or read again, to be processed again.

    It shows what would become of them before it asks. Conflicts are only included with IDs, --kind conflict or
    --reason.
    """
    query = selected(filters, ids, all_=all_)
    with ExitStack() as stack:
        replays: Replays
        if server is None:
            settings = settings_of(config, data=data, log=log, store=store)
            replays = Own(settings, repair.selection(query, settings, force=force))
        else:
            remote = stack.enter_context(asked(server, data=data, log=log, store=store, config=config))
            given = {"id": ids, "all": all_, "force": force}
            for group in (filters, repair):
                given |= named(type(group), asdict(group))
            replays = Remote(remote, given)
        if dry_run:
            _show(replays.previewed(), as_json=as_json)
            return
        if not yes:
            if as_json:
                raise ConfigurationError("--json cannot be combined with a question", hint="add --yes or --dry-run")
            replays = _confirmed(replays)
        done = replays.replayed()
    if as_json:
        print_json(replayed_document(done))
    else:
        _print_replay(done)
    warn_of_unaffected(done.applied)
    if done.interrupted:
        raise typer.Exit(INTERRUPTED)


def _show(found: Previewed, *, as_json: bool) -> None:
    """Show what would be sent."""
    if as_json:
        print_json(found.document())
    else:
        print_preview(found)
    warn_of_unaffected(found.seen.applied)


def _confirmed(replays: Replays) -> Replays:
    """Show a preview and ask; return the replay of the rejects that were shown, without those that came later."""
    check_can_ask("a replay")
    replays.check()
    found = replays.previewed()
    if found.seen.messages:
        _show(found, as_json=False)
        messages = f"{found.seen.messages:,} {'message' if found.seen.messages == 1 else 'messages'}"
        confirm(f"Send {messages}?", "nothing was sent")
    return replays.as_of(found.as_of)


def _print_replay(done: Replayed) -> None:
    if done.messages:
        rows = [
            (topic, partition, sent.messages, str(sent.first), str(sent.last))
            for (topic, partition), sent in sorted(done.sent.items())
        ]
        columns = ("topic", "partition", "messages", "first offset", "last offset")
        title = "Sent to the log again" + (" until interrupted" if done.interrupted else "")
        print_table(title, columns, rows, numbers=columns[1:])
    else:
        say("Nothing was sent.")
    print_left_out(done)
    if done.messages:
        say("Run `advertisex process` to process them again.")
