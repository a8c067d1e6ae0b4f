"""Numbers that are explained together, as arrays: theirs by campaign and day, and ours by how we treated the events."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from advertisex.analysis.reconciliation.causes import Treatment

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Block:
    """Numbers that are explained together.

    Attributes:
        name: name of the block.
        shape: number of measures, campaigns and days.
        theirs: their numbers, flat.
        cell: cell of each of our sums on day 0: measure and campaign only; -1 for other campaigns.
        slot: time slot of each of our sums.
        kind: index of its treatment.
        amount: the sums.
        treatments: how we treated them.
        factor: whether theirs may be ours times a factor: `nuisance` for counts and for money of one currency; for
            money without a currency `maybe`, and `always` if the currencies differ.
    """

    name: str
    shape: tuple[int, int, int]
    theirs: Floats
    cell: Ints
    slot: Ints
    kind: Ints
    amount: Floats
    treatments: Sequence[Treatment]
    factor: str = "nuisance"

    def predicted(self, days: Ints, known: Flags) -> "Predicted":
        """Our numbers by treatment and cell, if a slot lies on a day.

        Args:
            days: index of the day of each slot; outside of the range it is negative or too large.
            known: whether the day takes part: the partner has rows for it.
        """
        measures, campaigns, length = self.shape
        of_sum = days[self.slot]
        is_inside = (of_sum >= 0) & (of_sum < length)
        is_inside[is_inside] &= known[of_sum[is_inside]]
        is_any = np.zeros(length, dtype=bool)
        is_any[np.unique(of_sum[is_inside])] = True
        used = is_inside & (self.cell >= 0)
        size = measures * campaigns * length
        index = self.kind[used] * size + self.cell[used] * length + of_sum[used]
        numbers: Floats = np.bincount(index, self.amount[used], len(self.treatments) * size).astype(np.float64)
        numbers = numbers.reshape(len(self.treatments), size)
        theirs = np.where(np.tile(known, measures * campaigns), self.theirs, 0.0)
        is_empty = np.tile(~is_any, measures * campaigns)
        empty = float(np.abs(self._weighted(theirs * is_empty)).sum())
        return Predicted(
            self, self._weighted(numbers), self._weighted(theirs * ~is_empty), empty, ~is_any & known, ~is_empty
        )

    def _weighted(self, numbers: Floats) -> Floats:
        """Numbers in proportion to the total of their measure."""
        totals = np.abs(self.theirs).reshape(self.shape).sum(axis=(1, 2))
        weights = np.where(totals > 0, 1 / np.maximum(totals, 1e-300), 0.0)
        if not weights.any():
            weights = np.ones_like(weights)
        weights[weights == 0] = weights[weights > 0].min()
        return numbers * np.repeat(weights, numbers.shape[-1] // self.shape[0])  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Predicted:
    """Our numbers and theirs on the days of one zone.

    Attributes:
        block: the block.
        ours: by treatment and cell.
        theirs: by cell.
        empty: their volume on days on which we have nothing.
        empty_days: whether we have nothing on a day.
        is_used: whether the day of a cell is another one.
    """

    block: Block
    ours: Floats
    theirs: Floats
    empty: float
    empty_days: Flags
    is_used: Flags

    @property
    def stored(self) -> Floats:
        """What we count, by cell."""
        is_stored = np.array([not one.left_out for one in self.block.treatments], dtype=bool)
        return self.ours[is_stored].sum(axis=0)  # type: ignore[no-any-return]
