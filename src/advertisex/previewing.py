"""Preview the beginning of a source: its format, its columns, its first rows as events, and what would be rejected."""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import polars as pl

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.event_types import Meaning, meanings
from advertisex.ingestion.ingest import known_feed
from advertisex.ingestion.input_report import InputReport, Inspection, measures
from advertisex.ingestion.kinds import beginning
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import or_failing
from advertisex.ingestion.records import Input, Record
from advertisex.ingestion.sources import source_of
from advertisex.model import Batch, Outcome, Span
from advertisex.processing.decode import decode
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.rejects.explained import explain

#: Messages that are read and evaluated.
MESSAGES = 1_000


@dataclass(frozen=True, slots=True)
class Example:
    """What processing would make of one message.

    Attributes:
        row: its number in the input, from 1, without skipped rows.
        kind: stored, duplicate, rejected or filtered.
        event: fields of the event that have a value; empty if it is rejected or filtered.
        reason: reason code of a rejected or filtered message.
        detail: what is wrong with it, and where possible what the user can do.
        rule: the rule that it breaks.
    """

    row: int
    kind: str
    event: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    detail: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What the beginning of a source contains.

    Attributes:
        feed: name of the feed.
        source: name of the input that was read: the first one of the source.
        others: names of the other inputs of the source, which were not read.
        found: format, rows and columns of the input.
        measures: the columns of counts and sums, if it is an aggregated report; `ingest` would reject it.
        examples: the first messages.
        results: number of messages by kind and reason code, see `Example`; a message that repeats an earlier one is a
            duplicate.
        rejections: the first message of each kind and reason code in `results` that is not stored.
        texts: number of messages by what the text of a flag or type column means, by field.
        failure: why the input could not be read further.
    """

    feed: str
    source: str
    others: tuple[str, ...] = ()
    found: InputReport = field(default_factory=InputReport)
    measures: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()
    results: Counter[tuple[str, str]] = field(default_factory=Counter)
    rejections: dict[tuple[str, str], Example] = field(default_factory=dict)
    texts: dict[str, list[tuple[Meaning, int]]] = field(default_factory=dict)
    failure: SourceError | None = None


def preview(
    feed: Feed | str,
    source: str,
    options: IngestOptions = IngestOptions(),
    policy: Policy = Policy(),
    *,
    max_examples: int = 5,
    stdin: BinaryIO | None = None,
) -> Preview:
    """Read the beginning of a source, and report what `ingest` and `process` would make of it. Writes nothing.

    Args:
        feed: feed of the records, or the name of a built-in one.
        source: a file, a folder, a glob, an HTTP(S) URL, or `-` for standard input. Of several files, the
            first is read.
        options: how the source is read.
        policy: which valid events are filtered.
        max_examples: number of messages to show.
        stdin: what to read for `-`, in place of the standard input of the process.

    Raises:
        SourceError: nothing of the source could be read.
        ConfigurationError: the feed is unknown, or an option is invalid.
    """
    feed = known_feed(feed)
    options = replace(options, follow=False).checked_for(feed)
    found = source_of(source, stdin)
    inputs = or_failing(beginning(found, feed, options), found.name)
    first = next(inputs)
    records, report, failure = _beginning(first, feed, options)
    if failure is not None and not records:
        raise failure
    messages = Encoder(feed, options.mapping, options.dialect.numbers()).messages(records)
    outcome = _processed(messages, feed, policy)
    return Preview(
        feed=feed.name,
        source=first.name,
        others=tuple(one.name for one in inputs),
        found=report,
        measures=measures(report.columns, report.reading, feed),
        examples=tuple(_examples(outcome, feed, max_examples)),
        results=_results(outcome),
        rejections=_rejections(outcome, feed),
        texts=_texts(messages, feed),
        failure=failure,
    )


def _beginning(one: Input, feed: Feed, options: IngestOptions) -> tuple[list[Record], InputReport, SourceError | None]:
    """Read the first records of an input, or all of them if it is short."""
    inspection = Inspection(feed, options.mapping, aggregated=True)
    records: list[Record] = []
    failure: SourceError | None = None
    with closing(inspection.chunks(one)) as chunks:
        try:
            for chunk in chunks:
                records += chunk.records
                if len(records) >= MESSAGES:
                    break
        except SourceError as error:
            failure = error
    return records[:MESSAGES], inspection.reports[one.name], failure


def _processed(messages: Sequence[bytes], feed: Feed, policy: Policy) -> Outcome:
    now = time.time_ns() // 1000
    rows = range(1, len(messages) + 1)
    batch = Batch(Span(feed.topic, 0, 1, len(messages) + 1), rows, messages, [now] * len(messages))
    return process(batch, feed, policy)


def _examples(outcome: Outcome, feed: Feed, count: int) -> list[Example]:
    """Return what became of the first messages."""
    first = pl.col("offset") <= count
    found = [_rejected(row, feed) for row in outcome.rejects.filter(first).iter_rows(named=True)]
    for kind, events in (("stored", outcome.events), ("duplicate", outcome.repeated)):
        for row in events.filter(first).iter_rows(named=True):
            found.append(Example(row["offset"], kind, {n: row[n] for n in feed.columns if row[n] is not None}))
    return sorted(found, key=lambda example: example.row)


def _rejected(row: dict[str, Any], feed: Feed) -> Example:
    return Example(row["offset"], row["kind"], {}, row["reason"], row["detail"], explain(row, feed).rule)


def _rejections(outcome: Outcome, feed: Feed) -> dict[tuple[str, str], Example]:
    first = outcome.rejects.unique(("kind", "reason"), keep="first", maintain_order=True)
    return {(row["kind"], row["reason"]): _rejected(row, feed) for row in first.iter_rows(named=True)}


def _results(outcome: Outcome) -> Counter[tuple[str, str]]:
    results = Counter({("stored", ""): outcome.events.height, ("duplicate", ""): outcome.repeated.height})
    results.update(outcome.rejects.sort("kind", maintain_order=True).select("kind", "reason").iter_rows())
    return +results


def _texts(messages: Sequence[bytes], feed: Feed) -> dict[str, list[tuple[Meaning, int]]]:
    """Return what the texts of each flag or type column mean, the most frequent first."""
    found: dict[str, list[tuple[Meaning, int]]] = {}
    fields = [f for f in feed.fields if f.kind in ("flag", "event_type")]
    if not fields:
        return found
    decoded, _ = decode(messages, feed)
    for one in fields:
        numbers = Counter[str](decoded[one.name].drop_nulls()).most_common()
        if numbers:
            explained = meanings([text for text, _ in numbers], one, feed)
            found[one.name] = [(meaning, number) for meaning, (_, number) in zip(explained, numbers, strict=True)]
    return found
