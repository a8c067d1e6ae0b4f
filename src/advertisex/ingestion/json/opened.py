"""What an object that may be an envelope turns out to be."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Opened:
    """An envelope.

    Attributes:
        path: dotted path of its records; empty for an empty envelope.
        records: text of the list of records, or of the one record; empty if there are none.
        around: its values by key.
        others: paths of other lists that carry as much of the feed, so that it is unclear which are the records.
        unread: paths of the remaining lists of records.
        is_foreign: whether the records are named after another feed.
    """

    path: str
    records: bytes
    around: dict[str, msgspec.Raw]
    others: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    is_foreign: bool = False


class NoRecords(Exception):
    """The path that the user gave leads to no records in an object.

    Args:
        keys: the keys that it has in their place.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        super().__init__()
        self.keys = ", ".join(list(keys)[:10]) or "none"


class RepeatedName(Exception):
    """An envelope has a name twice, so that a list of records, or an inherited value, would be lost.

    Args:
        name: the name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
