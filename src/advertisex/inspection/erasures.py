"""Erasures: when they ran, and what they removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import polars as pl

from advertisex.analysis.answer import Table
from advertisex.inspection.place import Place
from advertisex.inspection.reading import Reading, utc
from advertisex.privacy.record import ErasureRun, Removed, runs_in
from advertisex.stores.contract import ERASURES

#: What an erasure removes, see `Removed`.
REMOVED = ("events", "filtered", "rejected", "conflicts", "messages")


@dataclass(frozen=True, slots=True)
class Erasures(Reading):
    """All runs, by start time."""

    runs: Sequence[ErasureRun]

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"erasures": [run_document(run) for run in self.runs]}

    def tables(self) -> list[Table]:
        """One row for each run."""
        schema: dict[str, Any] = {
            "requested": pl.Datetime("us"),
            "done": pl.Datetime("us"),
            "log_overwritten": pl.Boolean,
        }
        rows = [(_utc(run.asked_at), _utc(run.done_at), run.log, *totals(run.removed)) for run in self.runs]
        frame = pl.DataFrame(rows, schema=schema | dict.fromkeys(REMOVED, pl.Int64), orient="row")
        return [Table("erasures", "Erasures", frame)]

    def notes(self) -> list[str]:
        """What they do not say."""
        if not self.runs:
            return ["No user has been erased; `advertisex erase USER` removes one."]
        return [
            "User ids are not recorded.",
            "An erasure without a time at which it was done is running, or broke off.",
        ]


def erasures(place: Place) -> Erasures:
    """List erasures: when they ran and what they removed. User ids are not recorded."""
    with place.store() as store:
        return Erasures(runs_in(store.notes(ERASURES)))


def totals(removed: Sequence[Removed]) -> list[int]:
    """What was removed of all feeds, in the order of `REMOVED`."""
    return [sum(getattr(one, name) for one in removed) for name in REMOVED]


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=None)


def run_document(run: ErasureRun) -> dict[str, Any]:
    """A run as a JSON object."""
    return {
        "asked_at": utc(run.asked_at),
        "done_at": utc(run.done_at),
        "log_overwritten": run.log,
        "removed": [msgspec.structs.asdict(one) for one in run.removed],
    }
