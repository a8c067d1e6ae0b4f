"""Reads a partner's report: any file that `preview` reads, as numbers by campaign and day."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import polars as pl

from advertisex.analysis.money import check_sum
from advertisex.analysis.reconciliation.report_feed import COUNTS, MONEY, REPORT
from advertisex.errors import SourceError
from advertisex.feeds.feed import AMOUNT
from advertisex.feeds.words import is_missing
from advertisex.ingestion.csv.table import TOTALS
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.input_report import InputReport, Inspection
from advertisex.ingestion.kinds import beginning
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import or_failing
from advertisex.ingestion.sources import Files, source_of
from advertisex.limits import Limit
from advertisex.processing.decode import decode
from advertisex.processing.standardise import standardise
from advertisex.processing.validate import validate

MOST_REPORT_ROWS = Limit(5_000_000, "rows", of="a partner's report", beyond="an error of the report")

#: One row for each campaign, day and currency of a report.
REPORT_ROWS: dict[str, pl.DataType] = {
    "campaign_id": pl.String(),
    "day": pl.Date(),
    **dict.fromkeys(COUNTS, pl.Int64()),
    **dict.fromkeys(MONEY, AMOUNT),
    "currency": pl.String(),
}
_ISO_DATE = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"


_EMPTY = "empty cell"


@dataclass(frozen=True, slots=True)
class PartnerReport:
    """A partner's numbers by campaign and day.

    Attributes:
        name: name of the file.
        rows: `REPORT_ROWS`, ordered by campaign, day and currency; a number that the report lacks is 0.
        measures: the numbers that the report has, out of impressions, clicks, conversions, cost and revenue.
        columns: its columns, and the number that each was taken for; None if it was not read.
        found: format, dialect and other things that were detected or assumed.
        left_out: number of rows that are not data, such as totals, by what they are; and of empty cells, read as 0.
        modified: when the file was last modified (naive UTC), if it is a file.
    """

    name: str
    rows: pl.DataFrame
    measures: tuple[str, ...]
    columns: dict[str, str | None] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    modified: datetime | None = None


def read_report(
    source: str | Path,
    options: IngestOptions = IngestOptions(),
    *,
    stdin: BinaryIO | None = None,
    most_rows: int = MOST_REPORT_ROWS,
) -> PartnerReport:
    """Read a partner's report.

    The columns are found by their usual names, such as `Date`, `Campaign ID`, `Impr.` and `Spend`, or by the mapping.
    Rows of one campaign and day add up. Rows of totals are left out.

    Args:
        source: a file, an HTTP(S) URL, or `-` for standard input; every format that `ingest` reads.
        options: how it is read, as for `ingest`; the fields of the mapping are day, campaign_id, impressions, clicks,
            conversions, cost, revenue and currency.
        stdin: what to read for `-`, in place of the standard input of the process.
        most_rows: how many rows it may have.

    Raises:
        SourceError: it cannot be read completely, a row of it cannot, or it has no day, campaign or number.
        ConfigurationError: an option is invalid.
    """
    options = replace(options, follow=False, name="").checked_for(REPORT)
    found = source_of(str(source), stdin)
    inputs = or_failing(beginning(found, REPORT, options), found.name)
    inspection = Inspection(REPORT, options.mapping, aggregated=True)
    one = next(inputs)
    encoder, left_out = Encoder(REPORT, options.mapping, options.dialect.numbers()), Counter[str]()
    empty = Counter[str]()
    parts = [pl.DataFrame(schema=REPORT_ROWS)]
    read = 0
    with closing(inspection.chunks(one)) as chunks:
        for chunk in chunks:
            parts.append(_rows(encoder.messages(chunk.records), chunk.lines, one.name, read, left_out))
            empty.update({name: parts[-1][name].null_count() for name in (*COUNTS, *MONEY)})
            read += len(chunk.records)
            if read > most_rows:
                raise SourceError(
                    f"the report has more than {most_rows:,} rows", where=one.name,
                    hint="reconcile a part of it, such as one month",
                )  # fmt: skip
    report = inspection.reports[one.name]
    measures = _measures(report, one.name, options)
    left_out.update({_EMPTY: number} if (number := sum(empty[name] for name in measures)) else {})
    if (more := next(inputs, None)) is not None:
        raise SourceError(
            f"there are several inputs: {one.name}, {more.name}, …", where=found.name, hint="give one report at a time"
        )
    rows = pl.concat(parts).with_columns(pl.col(*COUNTS, *MONEY).fill_null(0))
    if rows.is_empty():
        raise SourceError("the report has no rows", where=one.name, hint="check it with `advertisex preview`")
    for name in MONEY:
        check_sum(rows[name])
    return PartnerReport(
        name=one.name,
        rows=rows.group_by("campaign_id", "day", "currency").agg(pl.col(*COUNTS, *MONEY).sum()).select(*REPORT_ROWS)
        .sort("campaign_id", "day", "currency"),
        measures=measures,
        columns=report.columns.fields,
        found={"format": report.reading.format, **report.reading.detected},
        left_out=dict(report.reading.skipped + left_out),
        modified=_modified(found),
    )  # fmt: skip


def _rows(messages: list[bytes], lines: object, name: str, before: int, left_out: Counter[str]) -> pl.DataFrame:
    """Read rows of the report; rows without a day or a campaign are totals, and counted in `left_out`."""
    decoded, undecodable = decode(messages, REPORT)
    is_total = pl.Series(
        [_is_total(*row) for row in decoded.select("day", "campaign_id").iter_rows()], dtype=pl.Boolean
    )
    left_out.update({"total row": number} if (number := int(is_total.sum())) else {})
    decoded = decoded.filter(~is_total)
    now = [time.time_ns() // 1000] * len(messages)
    valid, invalid = validate(standardise(decoded, REPORT), decoded, REPORT, now)
    for wrong in (undecodable, invalid):
        for row in wrong.sort("row").head(1).iter_rows(named=True):
            where = f"{name}:{lines[row['row']]}" if lines else f"{name}, row {before + row['row'] + 1}"  # type: ignore[index]
            raise SourceError(
                f"a row cannot be read: {row['detail']}", where=where,
                hint="name columns with --map COLUMN=FIELD, and the notation of days with --time-format",
            )  # fmt: skip
    # the day as written: the offset of a time does not move it
    day = pl.coalesce(
        pl.col("raw.day").str.extract(_ISO_DATE).str.to_date(strict=False), pl.col("event_time").dt.date()
    )
    return valid.with_columns(day=day).select("campaign_id", "day", *COUNTS, *MONEY, "currency")


def _is_total(day: str | None, campaign: str | None) -> bool:
    return any(text is None or is_missing(text) or text in TOTALS for text in (day, campaign))


def _measures(report: InputReport, name: str, options: IngestOptions) -> tuple[str, ...]:
    """The numbers that the report has.

    Raises:
        SourceError: it has no day, no campaign or no number.
    """
    taken = set(report.columns.fields.values()) | {
        one.name for text in options.mapping.constants if (one := REPORT.field_named(text)) is not None
    }
    _check_single(report, name, options)
    measures = tuple(one for one in (*COUNTS, *MONEY) if one in taken)
    absent = [one for one in ("day", "campaign_id") if one not in taken]
    absent += [] if measures else ["impressions, clicks, conversions, cost or revenue"]
    if absent:
        columns = ", ".join(list(report.columns.fields)[:10]) or "none"
        raise SourceError(
            f"the report has no column for {' and for '.join(absent)}; its columns are {columns}",
            where=name,
            hint="name them with --map COLUMN=FIELD, as in --map 'Order name=campaign_id'",
        )
    return measures


def _check_single(report: InputReport, name: str, options: IngestOptions) -> None:
    """Check that each field has one column, or one that the mapping names.

    Raises:
        SourceError: a field has several.
    """
    columns: dict[str, list[str]] = {}
    for column, field_name in report.columns.fields.items():
        if field_name:
            columns.setdefault(field_name, []).append(column)
    for field_name, several in columns.items():
        if len(several) > 1 and len(set(several) & options.mapping.rename.keys()) != 1:
            raise SourceError(
                f"the columns {', '.join(several)} are all read as {field_name}",
                where=name,
                hint=f"choose one of them with --map, as in --map '{several[0]}={field_name}'",
            )


def _modified(source: object) -> datetime | None:
    """When the file of a source was last modified."""
    if not isinstance(source, Files):
        return None
    try:
        paths = source.existing_paths()
        return datetime.fromtimestamp(paths[0].stat().st_mtime, UTC).replace(tzinfo=None)
    except (OSError, SourceError):
        return None


def left_out_text(report: PartnerReport) -> Iterator[str]:
    """What rows are not data, in words."""
    for kind, number in report.left_out.items():
        if kind == _EMPTY:
            yield f"{number:,} empty cell{'' if number == 1 else 's'} of the report read as 0"
        elif kind not in ("header", "blank"):
            yield f"{number:,} {kind}{'' if number == 1 else 's'} of the report left out"
