"""The preview of `advertisex rejects replay`, and the question that follows it."""

from dataclasses import replace
from typing import Any

from advertisex.cli.confirming import check_can_ask, confirm
from advertisex.cli.options import opened_log, opened_store
from advertisex.cli.output import out, plain, print_json
from advertisex.cli.rejects.choosing import print_left_out, warn_of_unaffected
from advertisex.cli.tables import print_table
from advertisex.inspection.replays import left_out_document
from advertisex.processing.configured import processing_of
from advertisex.processing.log_check import check_log
from advertisex.rejects.export import payload_fields
from advertisex.rejects.pretty import one_line
from advertisex.rejects.preview import Preview, ReplayResult, preview
from advertisex.rejects.selection import Selection
from advertisex.settings.model import Settings

#: Messages that are shown.
_EXAMPLES = 5
#: Characters printed of each message.
_WIDTH = 2_000


def show_preview(settings: Settings, selection: Selection, *, as_json: bool) -> None:
    """Show what would be sent, without sending it."""
    seen = _previewed(settings, selection)
    if as_json:
        print_json(_preview_document(seen))
    else:
        _print_preview(seen, selection)
    warn_of_unaffected(seen.applied)


def confirmed(settings: Settings, selection: Selection) -> Selection:
    """Show a preview and ask; return the selection of the rejects that were shown, without those that came later."""
    check_can_ask("a replay")
    with opened_log(settings, create=False) as event_log, opened_store(settings, read_only=True) as event_store:
        check_log(event_log, event_store, [feed.topic for feed in selection.feeds.values()])
        query = replace(selection.query, as_of=event_store.settled())
    selection = replace(selection, query=query)
    seen = _previewed(settings, selection)
    if seen.messages:
        _print_preview(seen, selection)
        warn_of_unaffected(seen.applied)
        messages = f"{seen.messages:,} {'message' if seen.messages == 1 else 'messages'}"
        confirm(f"Send {messages}?", "nothing was sent")
    return selection


def _previewed(settings: Settings, selection: Selection) -> Preview:
    with opened_store(settings, read_only=True) as event_store:
        return preview(event_store, selection, processing_of(settings).policy, _EXAMPLES)


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
        **left_out_document(seen),
    }


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
    print_left_out(seen)


def _sorted(seen: Preview) -> list[tuple[ReplayResult, int]]:
    return sorted(seen.results.items(), key=lambda one: (one[0].feed, one[0].kind, one[0].reason))
