"""The ledger: the counts of every partition, and what each hour's commits added to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import polars as pl

from advertisex.analysis.answer import Table
from advertisex.inspection.place import Place
from advertisex.inspection.reading import Reading, utc
from advertisex.model import COUNT_NAMES, LedgerRow
from advertisex.questions.option import Option
from advertisex.questions.time_text import parse_time
from advertisex.reporting.ledger_document import ledger_dict
from advertisex.stores.retention import removed_before

_EMPTY = "Nothing has been processed yet: run `advertisex ingest` and `advertisex process`."
_KEYS: dict[str, Any] = {"topic": pl.String, "partition": pl.Int32, "next_offset": pl.Int64}


@dataclass(frozen=True, slots=True)
class Ledger(Reading):
    """The rows of the ledger, and the time before which the store keeps nothing."""

    rows: Sequence[LedgerRow]
    kept_since: datetime | None

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        return ledger_dict(self.rows) | {"kept_since": utc(self.kept_since)}

    def tables(self) -> list[Table]:
        """One row for each partition, and their total."""
        document = ledger_dict(self.rows)
        rows = [*document["rows"], {"topic": "total", **document["total"]}] if self.rows else []
        frame = pl.DataFrame(rows, schema=_KEYS | dict.fromkeys(COUNT_NAMES, pl.Int64))
        return [Table("partitions", "Ledger", frame, keys=("topic", "partition"))]

    def notes(self) -> list[str]:
        """Whether it balances."""
        if not self.rows:
            return [_EMPTY]
        if not all(row.counts.balanced for row in self.rows):
            return ["It does not balance. Please report this with the table."]
        notes = ["It balances: read = stored + duplicate + filtered + rejected + erased."]
        if self.kept_since is not None:
            notes.append(f"Events before {self.kept_since:%Y-%m-%d} (UTC) are not kept (store.keep_days).")
        return notes


@dataclass(frozen=True, slots=True)
class History(Reading):
    """What the commits of each hour added to the ledger: hour, feed, commits, and the counts."""

    hours: pl.DataFrame

    def document(self) -> dict[str, Any]:
        """What the API gives."""
        return {"hours": [row | {"hour": utc(row["hour"])} for row in self.hours.iter_rows(named=True)]}

    def tables(self) -> list[Table]:
        """One row for each hour and feed, the latest first."""
        return [Table("hours", "Commits by hour", self.hours.reverse(), keys=("hour", "feed"))]


def ledger(place: Place) -> Ledger:
    """Show the counts of every partition: read = stored + duplicate + filtered + rejected + erased."""
    with place.store() as store:
        return Ledger(store.ledger(), removed_before(store))


def history(
    place: Place,
    since: Annotated[str | None, Option(metavar="TIME", help="Only commits at or after this time (UTC).")] = None,
) -> History:
    """What the commits of each hour added to the ledger. Over the whole history, the sums are those of the ledger."""
    with place.store() as store:
        commits = store.commits(parse_time(since, "--since"))
    by_hour = commits.with_columns(hour=pl.col("committed_at").dt.truncate("1h")).group_by("hour", "feed")
    hours = by_hour.agg(pl.len().cast(pl.Int64).alias("commits"), pl.col(COUNT_NAMES).sum()).sort("hour", "feed")
    return History(hours)
