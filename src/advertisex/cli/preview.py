"""`advertisex preview`: what `ingest` and `process` would make of a source."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    settings_of,
)
from advertisex.cli.output import err, out, print_json, say
from advertisex.cli.source_choice import NamedOption, chosen_sources
from advertisex.cli.source_options import found_dict, with_source_options
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.input_report import balance
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.previewing import Example, Preview
from advertisex.previewing import preview as preview_source
from advertisex.processing.configured import processing_of
from advertisex.reporting.cells import format_value, visible

_WIDTH = 80
#: Maximum number of columns, texts of one field and names that are printed; the JSON document has all of them.
_COLUMNS, _TEXTS, _OTHERS = 40, 20, 5


@with_source_options
def preview(
    feed: Annotated[str | None, typer.Argument(metavar="FEED", help="impressions, clicks or bids.")] = None,
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help="A file, folder, glob, URL, or - for stdin.")
    ] = None,
    *,
    named: NamedOption = None,
    options: IngestOptions,
    api: dict[str, Any],
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what would be read from the beginning of a source, and what would be rejected; write nothing."""
    settings = settings_of(config, data=data, log=log, store=store)
    api = {"attempts": 1} | api  # somebody is waiting for the answer
    chosen = chosen_sources(settings, feed, [] if source is None else [source], named, options, api)
    if len(chosen) > 1:
        raise ConfigurationError("--source is given twice", hint="preview one source at a time")
    one = chosen[0]
    seen = preview_source(one.feed, one.sources[0], one.options, processing_of(settings).policy)
    if as_json:
        print_json(_document(seen))
    else:
        for line in _lines(seen, one.feed):
            say(line)
    if seen.failure is not None:
        err.print(f"error: {seen.failure}", markup=False, soft_wrap=True)
        raise typer.Exit(seen.failure.exit_code)


def _document(seen: Preview) -> dict[str, Any]:
    return {
        "feed": seen.feed,
        "source": seen.source,
        "others": seen.others,
        **found_dict(seen.found),
        "complete": seen.found.complete,
        "measures": seen.measures,
        "texts": [
            {
                "field": name,
                "text": meaning.text,
                "meaning": meaning.meaning,
                "requirement": meaning.rejected or None,
                "messages": number,
            }
            for name, texts in seen.texts.items()
            for meaning, number in texts
        ],
        "results": [
            {"kind": kind, "reason": reason or None, "messages": number}
            for (kind, reason), number in seen.results.items()
        ],
        "rejections": [_example_dict(example) for example in seen.rejections.values()],
        "examples": [_example_dict(example) for example in seen.examples],
        "failure": None if seen.failure is None else str(seen.failure),
    }


def _example_dict(example: Example) -> dict[str, Any]:
    event = {name: f"{v.isoformat()}Z" if isinstance(v, datetime) else v for name, v in example.event.items()}
    return {
        "row": example.row,
        "kind": example.kind,
        "event": event or None,
        "reason": example.reason or None,
        "detail": example.detail or None,
        "rule": example.rule or None,
    }


def _lines(seen: Preview, feed: Feed) -> Iterator[str]:
    yield f"{seen.source}, read as {seen.feed}"
    if seen.found.reading.format:
        yield from _facts(seen)
    if seen.found.messages:
        yield from _columns(seen, feed)
        yield from _texts(seen)
        yield from _examples(seen)
    else:
        yield from _warnings(seen)


def _facts(seen: Preview) -> Iterator[str]:
    reading = seen.found.reading
    rows = balance([reading]) or ("1, a message" if reading.rows == 1 else f"{reading.rows:,}, all of them messages")
    facts = {"format": reading.format, **reading.detected, "rows": rows}
    if not seen.found.complete:
        facts["rows"] += " (only the beginning was read)"
    if seen.others:
        facts["not read"] = _some(seen.others, _OTHERS)
    width = max(map(len, facts))
    for name, text in facts.items():
        yield from _wrapped(f"  {name:<{width}}  ", text)
    if seen.measures:
        yield from _wrapped(
            "",
            f"This is an aggregated report, not events: it has {', '.join(seen.measures)}, but no column for the user. "
            "`ingest` rejects it. Compare it with our numbers by `advertisex reconcile`.",
        )


def _columns(seen: Preview, feed: Feed) -> Iterator[str]:
    fields = seen.found.columns.fields
    shown = list(fields.items())[:_COLUMNS]
    width = max([len("column"), *(min(len(column), _width() // 2) for column, _ in shown)])
    yield ""
    yield f"{'column':<{width}}  field"
    for column, field in shown:
        yield f"{column:<{width}}  {format_value(field)}"
    if len(fields) > len(shown):
        yield f"and {len(fields) - len(shown):,} more; --json lists all"
    yield from _warnings(seen)
    if seen.found.columns.missing:
        yield from _wrapped("", "Read a column as a field with --map COLUMN=FIELD, or set it with --set FIELD=VALUE.")
    if unused := seen.found.columns.unused:
        yield from _wrapped(
            "",
            f"No field takes {_some(unused, _OTHERS)}. Rows that differ in nothing else are one event. To keep such a "
            f"column, add a field for it to the setting feeds.{feed.name}.extra; to make it part of an event's "
            f"identity, name that in feeds.{feed.name}.identity, too.",
        )


def _texts(seen: Preview) -> Iterator[str]:
    for field, texts in seen.texts.items():
        yield ""
        yield f"{field} was taken to mean"
        for meaning, number in texts[:_TEXTS]:
            why = f": {meaning.rejected}" if meaning.rejected else ""
            yield from _wrapped("  ", f'"{meaning.text}" → {meaning.meaning} ({number:,}){why}', hanging=4)
        if len(texts) > _TEXTS:
            yield f"  and {len(texts) - _TEXTS:,} more; --json lists all"


def _warnings(seen: Preview) -> Iterator[str]:
    for warning, number in seen.found.warnings.items():
        yield from _wrapped("warning: ", warning + (f" ({number:,} times)" if number > 1 else ""))


def _examples(seen: Preview) -> Iterator[str]:
    yield ""
    kinds = Counter[str]()
    for (kind, _), number in seen.results.items():
        kinds[kind] += number
    counted = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())
    yield from _wrapped("", f"Of the first {_messages(seen.results.total())}: {counted}")
    for (_, reason), example in seen.rejections.items():
        number = seen.results[example.kind, reason]
        yield from _wrapped(
            "  ", f"{number:,} {example.kind}, {reason}. Row {example.row}: {example.detail}", hanging=4
        )
        if not _says(example.detail, example.rule):
            yield from _wrapped("    ", example.rule)
    yield ""
    yield "First rows"
    for example in seen.examples:
        head = f"  {example.row}  {example.kind:<9}  "
        event = ", ".join(f"{name} {format_value(value)}" for name, value in example.event.items())
        yield from _wrapped(head, event or example.reason)


def _messages(number: int) -> str:
    return "message" if number == 1 else f"{number:,} messages"


def _says(detail: str, rule: str) -> bool:
    """Whether a detail contains its rule: `user_id: must be given, got ''` and `user_id must be given.`."""
    return rule.rstrip(".").replace(" ", ": ", 1) in detail


def _some(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _width() -> int:
    return min(int(out.width), _WIDTH)


def _wrapped(head: str, text: str, *, hanging: int | None = None) -> list[str]:
    """Wrap a text to the width of the output, below its head."""
    indent = " " * (len(head) if hanging is None else hanging)
    return textwrap.wrap(
        visible(text), _width(), initial_indent=head, subsequent_indent=indent, break_on_hyphens=False
    ) or [head.rstrip()]
