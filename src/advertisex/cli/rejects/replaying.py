"""`advertisex rejects replay`: send rejects to the log again, repaired or unchanged."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from advertisex.cli.confirming import check_can_ask, confirm
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
from advertisex.cli.output import err, out, plain, print_json, say
from advertisex.cli.progress import progress
from advertisex.cli.rejects.choosing import (
    FeedOption,
    IdsArgument,
    KindOption,
    ReasonOption,
    SinceOption,
    UntilOption,
    query_of,
    selected,
)
from advertisex.cli.signals import stop_on_signals
from advertisex.cli.tables import print_table
from advertisex.errors import INTERRUPTED, ConfigurationError
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.encodings import checked_encoding
from advertisex.ingestion.mapping import FieldMapping
from advertisex.processing.configured import processing_of
from advertisex.processing.log_check import check_log
from advertisex.rejects.export import payload_fields
from advertisex.rejects.pretty import one_line
from advertisex.rejects.preview import Preview, ReplayResult, preview
from advertisex.rejects.repair import Applied
from advertisex.rejects.replay import Replayed, replay
from advertisex.rejects.selection import Selection, choose
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings

_REPAIRING = "Repair"
#: Messages printed by --dry-run.
_EXAMPLES = 5
#: Characters printed of each message.
_WIDTH = 2_000
#: Why an option of reading does not apply to one message, or to several.
_UNAFFECTED = {
    "--encoding": (
        "it is UTF-8 or binary, and its original bytes are not kept; ingest the source again with --encoding",
        "they are UTF-8 or binary, and their original bytes are not kept; ingest the source again with --encoding",
    ),
    "--time-format": ("its timestamp has none of these formats", "their timestamps have none of these formats"),
    "--decimal": ("it has no number in text", "they have no number in text"),
}


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
    decimal: Annotated[
        str | None,
        typer.Option(metavar="CHAR", help="Decimal mark of numbers in text: . or ,", rich_help_panel=_REPAIRING),
    ] = None,
    thousands: Annotated[
        str | None,
        typer.Option(
            metavar="CHAR", help="Separator of groups of three digits in numbers in text.", rich_help_panel=_REPAIRING
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Encoding of messages that are not UTF-8.", rich_help_panel=_REPAIRING),
    ] = None,
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
    query = query_of(ids=ids, reason=reason, feed=feed, kind=kind, since=since, until=until)
    query = selected(query, all_=all_)
    settings = settings_of(config, data=data, log=log, store=store)
    selection = Selection(
        query,
        configured_feeds(settings),
        FieldMapping(parse_pairs(rename, "--map"), parse_pairs(constant, "--set"), tuple(time_format or ())),
        CsvDialect(decimal=decimal, thousands=thousands).numbers(),
        None if encoding is None else checked_encoding(encoding),
        force,
    )
    if dry_run:
        seen = _previewed(settings, selection)
        print_json(_preview_document(seen)) if as_json else _print_preview(seen, selection)
        _warn(seen.applied)
        return
    if not yes:
        if as_json:
            raise ConfigurationError("--json cannot be combined with a question", hint="add --yes or --dry-run")
        selection = _confirmed(settings, selection)
    _replay(settings, selection, as_json=as_json)


def _confirmed(settings: Settings, selection: Selection) -> Selection:
    """Show a preview and ask; return the selection of the rejects that were shown, without those that came later."""
    check_can_ask("a replay")
    with opened_log(settings, create=False) as event_log, opened_store(settings, read_only=True) as event_store:
        check_log(event_log, event_store, [feed.topic for feed in selection.feeds.values()])
        query = replace(selection.query, as_of=event_store.settled())
    selection = replace(selection, query=query)
    seen = _previewed(settings, selection)
    if seen.messages:
        _print_preview(seen, selection)
        _warn(seen.applied)
        messages = f"{seen.messages:,} {'message' if seen.messages == 1 else 'messages'}"
        confirm(f"Send {messages}?", "nothing was sent")
    return selection


def _replay(settings: Settings, selection: Selection, *, as_json: bool) -> None:
    with (
        opened_log(settings, create=False) as event_log,
        opened_store(settings, read_only=False) as event_store,
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
    _warn(done.applied)
    if done.interrupted:
        raise typer.Exit(INTERRUPTED)


def _previewed(settings: Settings, selection: Selection) -> Preview:
    with opened_store(settings, read_only=True) as event_store:
        return preview(event_store, selection, processing_of(settings).policy, _EXAMPLES)


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
        **_left_document(done),
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
            {
                "id": str(example.position),
                "feed": example.result.feed,
                "kind": example.result.kind,
                "reason": example.result.reason or None,
                **payload_fields(example.message),
            }
            for example in seen.examples
        ],
        "not_repaired": seen.unrepairable,
        **_left_document(seen),
    }


def _left_document(of: Replayed | Preview) -> dict[str, Any]:
    return {
        "replayed_before": of.left,
        "resolved": of.resolved,
        "conflicts_left_out": of.conflicts,
        "unmatched": of.applied.unmatched,
        "unaffected": of.applied.unaffected,
        "two_readings": of.applied.two_readings,
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
    _print_left(done)
    if done.messages:
        say("Run `advertisex process` to process them again.")


def _print_preview(seen: Preview, selection: Selection) -> None:
    for example in seen.examples:
        result = f"{example.result.kind} {example.result.reason}".strip()
        out.print(plain(f"{example.position}: {result}"), style="bold", soft_wrap=True)
        text = one_line(example.message, selection.feeds[example.result.feed])
        out.print(plain(text[:_WIDTH] + "…" if len(text) > _WIDTH else text), soft_wrap=True)
    if seen.examples:
        out.print()
    rows = [(result.feed, result.kind, result.reason, count) for result, count in _sorted(seen)]
    columns = ("feed", "result", "reason", "count")
    print_table(f"{seen.messages:,} would be sent", columns, rows, numbers=["count"])
    _print_left(seen)


def _sorted(seen: Preview) -> list[tuple[ReplayResult, int]]:
    return sorted(seen.results.items(), key=lambda one: (one[0].feed, one[0].kind, one[0].reason))


def _print_left(of: Replayed | Preview) -> None:
    more = " more" if of.messages else ""
    if of.unrepairable:
        say(f"{of.unrepairable:,} cannot be repaired: not decodable. They are left unchanged.")
    if of.left:
        say(f"{of.left:,}{more} were already replayed; --force sends them again.")
    if of.resolved:
        say(f"{of.resolved:,}{more} are resolved; --force sends them, too.")
    if of.conflicts:
        conflicts = "conflict was" if of.conflicts == 1 else "conflicts were"
        say(
            f"{of.conflicts:,} {conflicts} left out: select them with --kind conflict, and repair them, for example "
            "with --set."
        )


def _warn(applied: Applied) -> None:
    for column in applied.unmatched:
        err.print(f"warning: no message has the column {column!r} of --map", markup=False, soft_wrap=True)
    for option, count in applied.unaffected.items():
        messages, why = "message" if count == 1 else "messages", _UNAFFECTED[option][count > 1]
        err.print(f"warning: {option} does not apply to {count:,} {messages}: {why}", soft_wrap=True)
    if applied.two_readings:
        count = applied.two_readings
        messages = "message has" if count == 1 else "messages have"
        err.print(
            f"warning: {count:,} {messages} a number that can be read in two ways, such as 1.234; it is read as "
            "--decimal and --thousands say: leave these out if the source was ingested with them",
            soft_wrap=True,
        )
