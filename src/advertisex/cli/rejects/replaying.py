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
    opened_store,
    parse_pairs,
    settings_of,
)
from advertisex.cli.output import err, out, plain, print_json, print_table, progress
from advertisex.cli.rejects.choosing import (
    FeedOption,
    IdsArgument,
    KindOption,
    ReasonOption,
    SinceOption,
    UntilOption,
    query_of,
)
from advertisex.cli.signals import stop_on_signals
from advertisex.errors import INTERRUPTED, ConfigurationError
from advertisex.ingestion.mapping import FieldMapping
from advertisex.processing.configured import processing_of
from advertisex.rejects.export import payload_fields
from advertisex.rejects.pretty import one_line
from advertisex.rejects.preview import Preview, ReplayResult, preview
from advertisex.rejects.replay import Replayed, replay
from advertisex.rejects.selection import Selection
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings
from advertisex.stores.contract import RejectQuery

_REPAIRING = "Repair"
#: Messages printed by --dry-run.
_EXAMPLES = 5
#: Characters printed of each message.
_WIDTH = 2_000


def replay_rejects(
    ids: IdsArgument = None,
    reason: ReasonOption = None,
    feed: FeedOption = None,
    kind: KindOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    all_: Annotated[bool, typer.Option("--all", help="All that have not been replayed yet.")] = False,
    constant: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Set FIELD to VALUE in every message; repeatable.",
            rich_help_panel=_REPAIRING,
        ),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="COLUMN=FIELD", help="Read COLUMN as FIELD; repeatable.", rich_help_panel=_REPAIRING
        ),
    ] = None,
    time_format: Annotated[
        list[str] | None,
        typer.Option(metavar="FORMAT", help="strptime format of timestamps; repeatable.", rich_help_panel=_REPAIRING),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, without sending it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Include those already replayed.")] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Resend rejected and filtered messages to the log, unchanged or repaired, to be processed again.

    Conflicts are only included with IDs, --kind conflict or --reason.
    """
    query = query_of(ids=ids, reason=reason, feed=feed, kind=kind, since=since, until=until)
    if (query == RejectQuery()) != all_:
        raise ConfigurationError(
            "--all cannot be combined with IDs or filters" if all_ else "no rejects selected",
            hint="give IDs, filters (--reason, --feed, --kind, --since, --until) or --all",
        )
    settings = settings_of(config, data=data, log=log, store=store)
    mapping = FieldMapping(parse_pairs(rename, "--map"), parse_pairs(constant, "--set"), tuple(time_format or ()))
    selection = Selection(query, configured_feeds(settings), mapping, force)
    if dry_run:
        _preview(settings, selection, as_json=as_json)
    else:
        _replay(settings, selection, as_json=as_json)


def _replay(settings: Settings, selection: Selection, *, as_json: bool) -> None:
    with (
        opened_log(settings, create=False) as event_log,
        opened_store(settings, read_only=False) as event_store,
        stop_on_signals(event_store.interrupt) as stop,
        progress("replaying", None) as (bar, task),
    ):
        done = replay(
            event_store,
            event_log,
            selection,
            stop=stop,
            on_progress=lambda messages: bar.update(task, completed=messages),
        )
    if as_json:
        print_json(_replay_document(done))
    else:
        _print_replay(done)
    _warn(done.unmatched)
    if done.interrupted:
        raise typer.Exit(INTERRUPTED)


def _preview(settings: Settings, selection: Selection, *, as_json: bool) -> None:
    with opened_store(settings, read_only=True) as event_store:
        seen = preview(event_store, selection, processing_of(settings).policy, _EXAMPLES)
    if as_json:
        print_json(_preview_document(seen))
    else:
        _print_preview(seen, selection)
    _warn(seen.unmatched)


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
        "replayed_before": done.left,
        "conflicts_left_out": done.conflicts,
        "unmatched": done.unmatched,
        "interrupted": done.interrupted,
    }


def _preview_document(seen: Preview) -> dict[str, Any]:
    return {
        "messages": seen.messages,
        "results": [
            {"feed": result.feed, "kind": result.kind, "reason": result.reason or None, "count": count}
            for result, count in _sorted(seen)
        ],
        "examples": [
            {"id": str(example.position), "feed": example.feed, **payload_fields(example.message)}
            for example in seen.examples
        ],
        "not_repaired": seen.unrepairable,
        "replayed_before": seen.left,
        "conflicts_left_out": seen.conflicts,
        "unmatched": seen.unmatched,
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
        out.print("Nothing was sent.")
    _print_left(done)
    if done.messages:
        out.print("Run `advertisex process` to process them again.", soft_wrap=True)


def _print_preview(seen: Preview, selection: Selection) -> None:
    for example in seen.examples:
        out.print(plain(str(example.position)), style="bold")
        text = one_line(example.message, selection.feeds[example.feed])
        out.print(plain(text[:_WIDTH] + "…" if len(text) > _WIDTH else text), soft_wrap=True)
    if seen.examples:
        out.print()
    rows = [(result.feed, result.kind, result.reason, count) for result, count in _sorted(seen)]
    print_table(f"{seen.messages:,} would be sent", ("feed", "result", "reason", "count"), rows, numbers=["count"])
    _print_left(seen)


def _sorted(seen: Preview) -> list[tuple[ReplayResult, int]]:
    return sorted(seen.results.items(), key=lambda one: (one[0].feed, one[0].kind, one[0].reason))


def _print_left(of: Replayed | Preview) -> None:
    if of.unrepairable:
        out.print(f"{of.unrepairable:,} cannot be repaired: not decodable. They are left unchanged.", soft_wrap=True)
    if of.left:
        more = " more" if of.messages else ""
        out.print(f"{of.left:,}{more} were already replayed; --force sends them again.", soft_wrap=True)
    if of.conflicts:
        conflicts = "conflict was" if of.conflicts == 1 else "conflicts were"
        out.print(
            f"{of.conflicts:,} {conflicts} left out: select them with --kind conflict, and repair them, for example "
            "with --set.",
            soft_wrap=True,
        )


def _warn(unmatched: tuple[str, ...]) -> None:
    for column in unmatched:
        err.print(f"warning: no message has the column {column!r} of --map", markup=False, soft_wrap=True)
