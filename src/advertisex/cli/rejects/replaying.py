"""`advertisex rejects replay`: send rejects to the log again, repaired or unchanged."""

from typing import Annotated, Any

import typer

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_log,
    settings_of,
    store_for_marks,
)
from advertisex.cli.output import print_json, say
from advertisex.cli.progress import progress
from advertisex.cli.rejects.choosing import IdsArgument, print_left_out, warn_of_unaffected
from advertisex.cli.rejects.previewing import confirmed, show_preview
from advertisex.cli.signals import stop_on_signals
from advertisex.cli.tables import print_table
from advertisex.cli.typed import spread
from advertisex.errors import INTERRUPTED, ConfigurationError
from advertisex.inspection.filters import RejectFilters
from advertisex.inspection.replays import Repair, left_out_document, selected
from advertisex.rejects.replay import Replayed, replay
from advertisex.rejects.selection import Selection, choose
from advertisex.settings.model import Settings


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
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Resend rejected and filtered messages to the log, unchanged or read again, to be processed again.

    It shows what would become of them before it asks. Conflicts are only included with IDs, --kind conflict or
    --reason.
    """
    query = selected(filters, ids, all_=all_)
    settings = settings_of(config, data=data, log=log, store=store)
    selection = repair.selection(query, settings, force=force)
    if dry_run:
        show_preview(settings, selection, as_json=as_json)
        return
    if not yes:
        if as_json:
            raise ConfigurationError("--json cannot be combined with a question", hint="add --yes or --dry-run")
        selection = confirmed(settings, selection)
    _replay(settings, selection, as_json=as_json)


def _replay(settings: Settings, selection: Selection, *, as_json: bool) -> None:
    with (
        opened_log(settings, create=False) as event_log,
        store_for_marks(settings) as event_store,
        stop_on_signals(event_store.interrupt) as stop,
        progress("replaying", None) as bar,
    ):
        if bar.is_shown:
            bar.begin("replaying", choose(event_store, selection).messages)
        done = replay(
            event_store,
            event_log,
            selection,
            stop=stop,
            on_progress=bar.reach,
        )
    if as_json:
        print_json(_replay_document(done))
    else:
        _print_replay(done)
    warn_of_unaffected(done.applied)
    if done.interrupted:
        raise typer.Exit(INTERRUPTED)


def _replay_document(done: Replayed) -> dict[str, Any]:
    return {
        "messages": done.messages,
        "feeds": done.feeds,
        "sent": [
            {
                "topic": topic,
                "partition": partition,
                "messages": sent.messages,
                "first_offset": sent.first,
                "last_offset": sent.last,
            }
            for (topic, partition), sent in sorted(done.sent.items())
        ],
        "not_repaired": done.unrepairable,
        **left_out_document(done),
        "interrupted": done.interrupted,
    }


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
