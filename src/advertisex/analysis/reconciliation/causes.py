"""The causes that a gap can have, and which of our rows each of them adds or takes away.

A cause is chosen or not; a partner's number is then the sum of the rows that remain:

    time_zone        the partner's days are those of another time zone
    duplicates       the partner counts messages that we left out as duplicates
    filtered         … that we filtered, by reason
    rejected         … that we rejected, by reason
    invalid_traffic  the partner does not count suspected invalid traffic, by reason
    late_events      the partner does not count what we processed after its report was made
    currency         the partner's amounts are ours by a constant factor

Those of a whole campaign or day need no choice:

    missing_day       only one side has anything on a day
    not_in_report     the report does not have the campaign, or its money in this currency
    unknown_campaign  we have nothing of the campaign, stored or left out
    unknown_creative  the catalogue does not know the creative of our impressions, so they have no campaign
"""

from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from advertisex.analysis.quality.invalid_traffic import REASONS

#: All causes in the order of answers, which is also the order of preference among equal explanations.
CAUSES = (
    "time_zone", "duplicates", "filtered", "rejected", "invalid_traffic", "late_events", "currency", "missing_day",
    "not_in_report", "unknown_campaign", "unknown_creative", "unexplained",
)  # fmt: skip


class Cause(NamedTuple):
    """A cause that can be chosen, and its detail: a reason, or empty."""

    cause: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.cause} {self.detail}".strip()


LATE, DUPLICATES = Cause("late_events"), Cause("duplicates")


class Treatment(NamedTuple):
    """How we treated some rows; see `ROW`."""

    left_out: str
    late: bool
    suspect: int

    @property
    def added_by(self) -> Cause | None:
        """The cause that lets the partner count them although we do not."""
        if not self.left_out:
            return None
        kind, _, reason = self.left_out.partition(":")
        return Cause(kind, reason)

    @property
    def removed_by(self) -> list[Cause]:
        """The causes that keep the partner from counting them, the one that is named first."""
        late = [LATE] if self.late else []
        flags = [Cause("invalid_traffic", reason) for bit, reason in enumerate(REASONS) if self.suspect >> bit & 1]
        return late + flags

    def under(self, chosen: frozenset[Cause]) -> tuple[Cause | None, int]:
        """What becomes of the rows under an explanation: the cause, if any, and the sign of their part of the gap."""
        removed = next((cause for cause in self.removed_by if cause in chosen), None)
        if self.added_by is None:
            return (removed, -1) if removed else (None, 0)
        return (self.added_by, 1) if self.added_by in chosen and not removed else (None, 0)


@dataclass(frozen=True)
class Explanation:
    """Why the numbers of a block differ.

    Attributes:
        chosen: the causes, except time zone and currency.
        scaled: whether their amounts are ours times a factor.
    """

    chosen: frozenset[Cause] = frozenset()
    scaled: bool = False

    def names(self, factor: str) -> list[str]:
        """The causes in words, in the order of `CAUSES`; `factor` is what a factor is called."""
        ordered = sorted(self.chosen, key=lambda one: (CAUSES.index(one.cause), one.detail))
        return [*map(str, ordered), *([factor] if self.scaled else [])]


def caused(rows: pl.DataFrame, chosen: frozenset[Cause]) -> pl.DataFrame:
    """Add what becomes of rows: cause and detail (String, null if none) and sign (i64).

    Args:
        rows: left_out, late, suspect, and any other columns.
        chosen: the causes of the explanation.
    """
    kinds = rows.select("left_out", "late", "suspect").unique()
    found = [Treatment(*kind).under(chosen) for kind in kinds.iter_rows()]
    table = kinds.with_columns(
        pl.Series("cause", [cause and cause.cause for cause, _ in found], pl.String),
        pl.Series("detail", [cause and cause.detail for cause, _ in found], pl.String),
        pl.Series("sign", [sign for _, sign in found], pl.Int64),
    )
    return rows.join(table, on=["left_out", "late", "suspect"], how="left", maintain_order="left")
