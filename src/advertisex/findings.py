"""What an inspection of the surroundings finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: its name, such as "broker".
        good: whether it is as it should be.
        says: what was found.
        mend: what to do where it is not good.
    """

    what: str
    good: bool
    says: str
    hint: str = ""
