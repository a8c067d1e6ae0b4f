"""Result of one check of the environment, as `doctor` reports it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        what: name of what was checked, such as "broker".
        good: whether the check passed.
        says: what the check found.
        hint: what to do if it failed.
    """

    what: str
    good: bool
    says: str
    hint: str = ""
