"""The cost of combinations of causes, see `fit`."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from advertisex.analysis.reconciliation.block import Flags, Floats, Ints, Predicted
from advertisex.analysis.reconciliation.causes import Cause

_CHUNK = 512
#: Costs that differ by less, relatively, are equal.
EQUAL = 1e-9
#: The parts of the cost besides what is unexplained: of the net change, of the volume, and of what a factor changes.
NET, VOLUME = 0.5, 0.05
#: A factor of counts is tried for so many cells.
_ENOUGH = 10
_FACTOR = {"nuisance": 0.1, "maybe": 0.05, "always": 0.0}


@dataclass(frozen=True)
class Combinations:
    """All combinations of some causes, for the numbers of one zone. A combination is an integer with a bit for each.

    Attributes:
        numbers: the numbers.
        causes: the causes, in the order of the bits.
        own: what we count in our time zone, by cell.
    """

    numbers: Predicted
    causes: Sequence[Cause]
    own: Floats
    _needs: Ints = field(init=False)
    _forbids: Ints = field(init=False)

    def __post_init__(self) -> None:
        bits = {cause: 1 << number for number, cause in enumerate(self.causes)}
        never = 1 << len(self.causes)
        treatments = self.numbers.block.treatments
        needs = [0 if one.added_by is None else bits.get(one.added_by, never) for one in treatments]
        forbids = [sum(bits.get(cause, 0) for cause in one.removed_by) for one in treatments]
        object.__setattr__(self, "_needs", np.array(needs, dtype=np.int64))
        object.__setattr__(self, "_forbids", np.array(forbids, dtype=np.int64))

    def costs(self, combinations: Sequence[int] | Ints) -> Floats:
        """The cost of each combination, without that of the zone."""
        asked = np.asarray(combinations, dtype=np.int64)
        parts = [self._costs(asked[start : start + _CHUNK]) for start in range(0, len(asked), _CHUNK)]
        return np.concatenate(parts) + self.numbers.empty * NET

    def _costs(self, asked: Ints) -> Floats:
        ours = self.numbers.ours
        counted = self._counted(asked)
        changes = (counted != self._counted(np.zeros(1, dtype=np.int64))) @ np.abs(ours).sum(axis=1)
        predicted = counted.astype(np.float64) @ ours
        costs, _ = self._with_factor(predicted)
        return np.asarray(costs + changes * VOLUME, dtype=np.float64)

    @property
    def is_exact(self) -> bool:
        """Whether nothing is left to explain without any cause."""
        return bool((np.abs(self.numbers.theirs - self.numbers.stored) <= EQUAL).all())

    def factor(self, combination: int) -> bool:
        """Whether their amounts are ours times a factor, in a combination."""
        predicted = self._counted(np.array([combination])).astype(np.float64) @ self.numbers.ours
        return bool(self._with_factor(predicted)[1][0])

    def _counted(self, asked: Ints) -> Flags:
        wanted, removed = asked[:, None] & self._needs, asked[:, None] & self._forbids
        return (wanted == self._needs) & (removed == 0)  # type: ignore[no-any-return]

    def _with_factor(self, predicted: Floats) -> tuple[Floats, Flags]:
        """The cost of each row of predicted numbers, and whether a factor makes it smaller."""
        theirs, kind = self.numbers.theirs, self.numbers.block.factor
        factors = median_ratios(theirs, predicted)
        scaled = predicted * factors[:, None]
        unexplained = np.abs(theirs - scaled).sum(axis=1)
        if kind == "always":
            return unexplained, np.ones(len(predicted), dtype=bool)
        changed = np.abs(scaled - predicted).sum(axis=1) * _FACTOR[kind]
        found = unexplained + np.abs(scaled - self.own).sum(axis=1) * NET + changed
        plain = np.abs(theirs - predicted).sum(axis=1) + np.abs(predicted - self.own).sum(axis=1) * NET
        is_better = (found < plain * (1 - EQUAL)) & (np.abs(factors - 1) > EQUAL)
        if kind == "nuisance" and ((theirs > 0) & (self.own > 0)).sum() < _ENOUGH:
            is_better[:] = False
        return np.where(is_better, found, plain), is_better

    def greedy(self) -> tuple[float, int]:
        """A good combination and its cost, found by changing one cause at a time."""
        best, combination = float(self.costs([0])[0]), 0
        while self.causes:
            tried = [combination ^ 1 << number for number in range(len(self.causes))]
            costs = self.costs(tried)
            if costs.min() >= best * (1 - EQUAL):
                break
            best, combination = float(costs.min()), tried[int(costs.argmin())]
        return best, combination

    def best(self) -> tuple[float, list[int]]:
        """The smallest cost, and the combinations that have it, those with the fewest causes."""
        costs = self.costs(np.arange(1 << len(self.causes)))
        smallest = float(costs.min())
        equal = [int(one) for one in np.flatnonzero(costs <= smallest + EQUAL * max(1.0, smallest))]
        fewest = min(one.bit_count() for one in equal)
        return smallest, [one for one in equal if one.bit_count() == fewest]

    def chosen(self, combination: int) -> frozenset[Cause]:
        """The causes of a combination."""
        return frozenset(cause for number, cause in enumerate(self.causes) if combination >> number & 1)


def median_ratios(theirs: Floats, ours: Floats) -> Floats:
    """The median of theirs / ours of each row of ours, each cell counting as much as ours; 1 if there is none."""
    if not len(theirs):
        return np.ones(len(ours))
    at = median_cells(theirs, ours)
    rows = np.arange(len(ours))
    return np.where(at < 0, 1.0, theirs[at] / np.where(at < 0, 1.0, ours[rows, at]))


def median_cells(theirs: Floats, ours: Floats) -> Ints:
    """The cell with the median of theirs / ours of each row of ours; -1 if there is none."""
    if not ours.shape[1]:
        return np.full(len(ours), -1)
    is_used = (ours > 0) & (theirs > 0)
    ratios = np.where(is_used, theirs / np.where(is_used, ours, 1.0), np.inf)
    order = np.argsort(ratios, axis=1, kind="stable")
    weights = np.cumsum(np.take_along_axis(np.where(is_used, ours, 0.0), order, axis=1), axis=1)
    place = np.argmax(weights * 2 >= weights[:, -1:], axis=1)
    return np.where(is_used.any(axis=1), order[np.arange(len(ours)), place], -1)
