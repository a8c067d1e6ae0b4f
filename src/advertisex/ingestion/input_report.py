"""Inspect the inputs of a run while they are read: what was detected, their columns, and what the user should know."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace

from advertisex.errors import SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.column_fields import TABLES, Columns, ColumnSample
from advertisex.ingestion.event_types import EventTypes
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Chunk, Input, Reader, Reading
from advertisex.ingestion.unexpected import at_the_cost_of
from advertisex.limits import Limit
from advertisex.logs.contract import EventLog

#: Columns of counts and sums, in lower case without separators. A report has them in place of users.
_MEASURES = frozenset({
    "impressions", "imps", "clicks", "conversions", "views", "cost", "spend", "mediacost", "totalcost", "amountspent",
    "revenue", "installs", "reach", "ctr", "cpc", "cpm", "totalconversions", "linkclicks",
})  # fmt: skip

#: Those of them that an event never has, not even as 0 or 1.
_ONLY_IN_REPORTS = frozenset({"impressions", "imps", "reach", "ctr", "cpc", "cpm"})

#: Last words of the kinds of rows that have a plural; the others say what is said of a row, such as blank.
_NOUNS = {"row", "message", "header", "line", "folder", "file", "envelope"}

#: What one expects of CSV text.
_USUAL = {"delimiter": "comma", "quote": '"', "encoding": "utf-8", "header": "line 1"}

_JSON = ("json", "ndjson")
#: Characters of a column's name. Each message repeats the names of its columns.
_LONGEST_NAME = Limit(200, "characters", of="the name of a column", beyond="an error of the file")


@dataclass(frozen=True, slots=True)
class InputReport:
    """What was found in one input.

    Attributes:
        reading: what its reader found.
        columns: its columns, and the fields that take them.
        complete: whether it was read to its end.
    """

    reading: Reading = field(default_factory=Reading)
    columns: Columns = field(default_factory=Columns)
    complete: bool = False

    @property
    def messages(self) -> int:
        """Number of messages that were read."""
        return self.reading.rows - self.reading.skipped.total()

    @property
    def _lists(self) -> set[str]:
        """The lists of objects in JSON objects that have no field of the feed themselves."""
        fields = {} if any(self.columns.fields.values()) else self.columns.fields
        return {path.partition("[0].")[0] for path in fields if "[0]." in path and self.reading.format in _JSON}

    @property
    def warnings(self) -> dict[str, int]:
        """What the user should know, with the number of occurrences."""
        found = dict(self.reading.warnings)
        if self.messages and not self.columns.fields:
            found["no record could be read"] = 1
        elif self.messages:
            found |= {f"no column for the required field {name}": 1 for name in self.columns.missing}
            found |= {f"if the records are those in {path}, name it with --records {path}": 1 for path in self._lists}
        elif self.complete and not self.reading.skipped["seen"] and self.reading.format != "zip":
            # the members of an archive have reports of their own
            found["no records" if self.reading.format else "the input is empty"] = 1
        return found


def _check_names(name: str, columns: Sequence[str]) -> None:
    """Raise SourceError if a column has a very long name, which every one of its messages would repeat."""
    longest = max(map(len, columns), default=0)
    if longest > _LONGEST_NAME:
        raise SourceError(
            f"a column has a name of {longest:,} characters, more than {_LONGEST_NAME:,}",
            where=name,
            hint="check the delimiter and the header, or rename the column",
        )


class Inspection:
    """Collects a report of each input while its records pass by.

    Args:
        feed: feed of the records.
        mapping: how columns map to fields.
        on_first: called with the name and the report of an input when its first records have been read.
        aggregated: whether aggregated reports are read like events.

    Attributes:
        reports: the reports by name of the input, in the order of first read.
        new_types: conversion types that were new to the log.
    """

    def __init__(
        self,
        feed: Feed,
        mapping: FieldMapping,
        on_first: Callable[[str, InputReport], None] | None = None,
        *,
        aggregated: bool = False,
    ) -> None:
        self.reports: dict[str, InputReport] = {}
        self.new_types: tuple[str, ...] = ()
        self._types = EventTypes(feed, mapping)
        self._feed, self._mapping, self._on_first, self._aggregated = feed, mapping, on_first, aggregated
        self._reported: set[str] = set()

    def chunks(self, one: Input) -> Generator[Chunk, None, None]:
        """Yield the chunks of an input, and note what is in them.

        Raises:
            SourceError: the input could not be read completely; or it is an aggregated report, of which nothing is
                yielded.
        """
        sample = ColumnSample(self._feed, self._mapping)
        unchecked, rejected, complete = True, False, False
        try:
            with at_the_cost_of(one.name):
                for chunk in one.reader.chunks():
                    sample.add(chunk.records)
                    if unchecked and (chunk.records or one.reader.reading.columns):
                        unchecked = False
                        _check_names(one.name, one.reader.reading.columns or ())
                        found = measures(sample.columns(one.reader.reading), one.reader.reading, self._feed)
                        if found and not self._aggregated:
                            rejected = True
                            raise _report_error(one.name, found)
                    self._types.see(chunk.records)
                    yield chunk
            complete = True
        finally:
            self._add(one.name, one.reader, sample, complete=complete, rejected=rejected)

    def remember_types(self, log: EventLog) -> tuple[str, ...]:
        """Return the conversion types that are new to the log since the last call, and remember them there.

        Raises:
            LogError: the log could not be read or written.
        """
        new = self._types.remember(log)
        self.new_types += new
        return new

    def _add(self, name: str, reader: Reader, sample: ColumnSample, *, complete: bool, rejected: bool) -> None:
        """Add what was found to the report of an input, which may have been read before."""
        reading, before = reader.reading, self.reports.get(name)
        if rejected:
            reading = Reading(reading.format, reading.detected, reading.columns)  # none of its rows was yielded
        report = InputReport(reading, sample.columns(reading), complete)
        if before is not None:
            report = _merged(before, report)
        self.reports[name] = report
        if self._on_first is not None and name not in self._reported and report.reading.rows:
            self._reported.add(name)
            self._on_first(name, report)


def measures(columns: Columns, reading: Reading, feed: Feed) -> tuple[str, ...]:
    """Return the columns of counts and sums if an input is an aggregated report: it has them and no users.

    In JSON, where single records may lack their user, it is one only if it has several, and one that no event has.
    """
    user = next((f.name for f in feed.fields if f.kind == "user" and f.required), None)
    if user not in columns.missing:
        return ()
    if reading.format in TABLES:
        return tuple(name for name in columns.fields if _plain(name) in _MEASURES)
    if reading.format not in _JSON:
        return ()
    keys = {path: _plain(path.rpartition(".")[2]) for path in columns.fields if "[" not in path}
    found = {path: key for path, key in keys.items() if key in _MEASURES}
    return tuple(found) if len(found) > 1 and _ONLY_IN_REPORTS & set(found.values()) else ()


def _report_error(name: str, found: Sequence[str]) -> SourceError:
    return SourceError(
        f"it is an aggregated report, not events: it has {', '.join(found)}, but no column for the user",
        where=name,
        hint="compare a report with our numbers by `advertisex reconcile`; if its rows are events, name the column of "
        "the user with --map COLUMN=user_id",
    )


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


def _merged(before: InputReport, after: InputReport) -> InputReport:
    """Return the report of an input that was read further."""
    old, new = before.reading, after.reading
    reading = replace(
        new,
        format=new.format or old.format,
        detected=new.detected or old.detected,
        columns=new.columns or old.columns,
        rows=old.rows + new.rows,
        skipped=old.skipped + new.skipped,
        warnings=old.warnings + new.warnings,
    )
    missing = tuple(name for name in before.columns.missing if name in after.columns.missing)
    return InputReport(reading, Columns(before.columns.fields | after.columns.fields, missing), after.complete)


def unusual(reading: Reading) -> str:
    """Return what was detected in an input and is not what one would expect; empty if nothing is."""
    found = [f"{name} {text}" for name, text in reading.detected.items() if _USUAL.get(name) != text.lower()]
    return ", ".join(found)


def balance(readings: Iterable[Reading]) -> str:
    """Return what the rows of inputs became: `600 rows = 599 messages + 1 header`; empty if all are messages."""
    rows, skipped = 0, Counter[str]()
    for reading in readings:
        rows += reading.rows
        skipped.update(reading.skipped)
    if not skipped:
        return ""
    counted = {"row": rows, "message": rows - skipped.total(), **skipped}
    read, messages, *others = (_counted(kind, count) for kind, count in counted.items())
    return f"{read} = {' + '.join((messages, *others))}"


def _counted(kind: str, count: int) -> str:
    return f"{count:,} {kind}s" if count != 1 and kind.rpartition(" ")[2] in _NOUNS else f"{count:,} {kind}"
