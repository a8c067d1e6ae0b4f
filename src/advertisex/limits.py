"""The bounds on inputs and answers: constants beside their use, from which `docs/limits.md` is generated."""

from typing import Self


class Limit(int):
    """A bound: a whole number that says what it bounds.

    Attributes:
        unit: what is counted: bytes, values, rows, …
        of: what it bounds.
        beyond: what happens beyond it.
    """

    unit: str
    of: str
    beyond: str

    def __new__(cls, value: int, unit: str, *, of: str, beyond: str) -> Self:
        """Return the bound."""
        self = super().__new__(cls, value)
        self.unit, self.of, self.beyond = unit, of, beyond
        return self

    def __getnewargs_ex__(self) -> tuple[tuple[int, str], dict[str, str]]:
        """Return the arguments with which a copy is made."""
        return (int(self), self.unit), {"of": self.of, "beyond": self.beyond}
