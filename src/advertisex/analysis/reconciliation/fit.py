"""Chooses the causes that explain the gaps between two reports best.

Of all combinations of a time zone and of causes, the one with the smallest cost is chosen:

    cost = Σ |theirs − predicted| + ½ · Σ |predicted − ours| + ¹⁄₂₀ · volume

where predicted is our number under the combination, and the volume is all that its causes add or take away and that its
time zone moves to other days. On days that a combination leaves empty, half of their number is added instead. So a
cause is only chosen if more than three quarters of what it changes is found in the gaps. Each measure counts in
proportion to its total. Of combinations of the same cost those with the fewest causes are kept: all of them explain the
gaps equally.

The predicted numbers may also be multiplied by a factor, the median of theirs / predicted, where that makes the cost
smaller. Between money of different or unknown currencies it is the cause `currency`. Between counts, or money of one
currency, it is unexplained, but it is tried if ten cells or more have numbers: else a partner who loses a tenth of
everything would seem to take away whatever we can name. It adds a tenth of what it changes to the cost, and a twentieth
if it is a currency.

Another time zone than ours also costs the gaps of two average cells among those that it changes, because one of many
zones fits a few of them by chance. Of the other zones, one that leaves no gap is preferred to any that does.

The selection calculates with 64-bit floats, which hold counts exactly; the numbers of the answer are integers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from advertisex.analysis.reconciliation.block import Block, Flags, Ints, Predicted
from advertisex.analysis.reconciliation.causes import CAUSES, Cause, Explanation
from advertisex.analysis.reconciliation.combinations import EQUAL, VOLUME, Combinations
from advertisex.limits import Limit

MOST_CAUSES = Limit(
    10, "causes", of="what `reconcile` tries in all combinations", beyond="those with less effect are not tried"
)
#: Zones whose combinations are all tried, after a greedy search in every zone.
_FINALISTS = 3
#: One of many zones fits the gaps of so many cells by chance.
_BY_CHANCE = 2


@dataclass(frozen=True)
class Fit:
    """The chosen explanation.

    Attributes:
        zone: index of the time zone.
        zones: indexes of all zones that explain the gaps equally, the chosen one first.
        explanations: the chosen explanation of each block, and those that explain it equally.
        empty_days: whether we have nothing on a day, by block.
        not_tried: causes that were not tried, by block.
    """

    zone: int
    zones: list[int]
    explanations: list[list[Explanation]]
    empty_days: list[Flags]
    not_tried: list[list[Cause]]


def fit(blocks: Sequence[Block], zones: Sequence[Ints], known: Flags) -> Fit:
    """Choose a zone and the causes of each block.

    Args:
        blocks: the numbers.
        zones: index of the day of each slot, by zone; the first is ours.
        known: whether a day takes part.
    """
    own = [block.predicted(zones[0], known) for block in blocks]
    causes = [_causes(numbers) for numbers in own]
    groups: dict[bytes, list[int]] = {}
    for number, days in enumerate(zones):
        groups.setdefault(days.tobytes(), []).append(number)
    found = []
    for members in groups.values():
        numbers = [block.predicted(zones[members[0]], known) for block in blocks]
        parts = [
            Combinations(one, tried[:MOST_CAUSES], np.where(one.is_used, base.stored, 0.0))
            for one, base, tried in zip(numbers, own, causes, strict=True)
        ]
        moved = _cost_of_zone(own, numbers)
        found.append((moved + sum(one.greedy()[0] for one in parts), members, parts, moved))
    ranked = sorted(found, key=lambda one: (one[0], one[1][0]))
    finalists = [
        one
        for place, one in enumerate(ranked)
        if place < _FINALISTS
        or one[1][0] == 0
        or one[0] <= ranked[0][0] + EQUAL * max(1.0, ranked[0][0])
        or _is_exact(one[2])
    ]
    results = [[one.best() for one in parts] for _, _, parts, _ in finalists]
    costs = [one[3] + sum(cost for cost, _ in parts) for one, parts in zip(finalists, results, strict=True)]
    if finalists[costs.index(min(costs))][3] > 0:  # another zone than ours
        exact = [_is_exact(one[2]) for one in finalists]
        costs = [cost if is_exact or not any(exact) else np.inf for cost, is_exact in zip(costs, exact, strict=True)]
    smallest = min(costs)
    equal = [n for n, cost in enumerate(costs) if cost <= smallest + EQUAL * max(1.0, smallest)]
    best = min(equal, key=lambda n: (_size(results[n]), finalists[n][3] > 0, finalists[n][1][0]))
    same = [
        n
        for n in equal
        if _size(results[n]) == _size(results[best]) and (finalists[n][3] > 0) == (finalists[best][3] > 0)
    ]
    members = [*finalists[best][1], *(number for n in same if n != best for number in finalists[n][1])]
    return Fit(
        zone=members[0],
        zones=members if finalists[best][3] > 0 else members[:1],
        explanations=[
            list(_explanations(one, found)) for one, (_, found) in zip(finalists[best][2], results[best], strict=True)
        ],
        empty_days=[one.numbers.empty_days for one in finalists[best][2]],
        not_tried=[list(one[MOST_CAUSES:]) for one in causes],
    )


def _is_exact(parts: Sequence[Combinations]) -> bool:
    """Whether a zone leaves no gap, without any cause."""
    return all(one.is_exact for one in parts)


def _cost_of_zone(own: Sequence[Predicted], numbers: Sequence[Predicted]) -> float:
    """The cost of another zone than ours: of what it moves, and of the cells that it could fit by chance."""
    changes = [after.stored - before.stored for before, after in zip(own, numbers, strict=True)]
    cells = sum(int((change != 0).sum()) for change in changes)
    if not cells:
        return 0.0
    gaps = sum(float(np.abs(one.theirs - one.stored).sum()) for one in own)
    return sum(float(np.abs(change).sum()) for change in changes) * VOLUME + gaps * _BY_CHANCE / cells


def _size(results: Sequence[tuple[float, list[int]]]) -> int:
    return sum(found[0].bit_count() for _, found in results)


def _explanations(tried: Combinations, found: Sequence[int]) -> Iterator[Explanation]:
    """The explanations of equal combinations, the preferred one first."""
    for combination in sorted(found, key=lambda one: [n for n in range(len(tried.causes)) if one >> n & 1]):
        yield Explanation(tried.chosen(combination), tried.factor(combination))


def _causes(numbers: Predicted) -> list[Cause]:
    """The causes that change anything; those with less effect beyond the first `MOST_CAUSES` are last."""
    volumes = np.abs(numbers.block.amount)
    found: dict[Cause, float] = {}
    for number, one in enumerate(numbers.block.treatments):
        volume = float(volumes[(numbers.block.kind == number) & (numbers.block.cell >= 0)].sum())
        if volume:
            for cause in [*([one.added_by] if one.added_by else []), *one.removed_by]:
                found[cause] = found.get(cause, 0.0) + volume
    kept = sorted(found, key=lambda cause: -found[cause])
    order = lambda cause: (CAUSES.index(cause.cause), cause.detail)  # noqa: E731
    return [*sorted(kept[:MOST_CAUSES], key=order), *kept[MOST_CAUSES:]]
