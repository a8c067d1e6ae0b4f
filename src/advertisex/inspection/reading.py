"""What a reading command has found."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from advertisex.analysis.answer import Table


class Tables(ABC):
    """What pages and CSV show of what was found."""

    __slots__ = ()

    @abstractmethod
    def tables(self) -> Sequence[Table]:
        """The tables; the first is the main one."""

    def notes(self) -> Sequence[str]:
        """What a page says beside the tables, one sentence each; what to do next if there is nothing to show."""
        return []

    def following(self) -> Mapping[str, str]:
        """The options that give the rows after these; empty if these are the last."""
        return {}


class Reading(Tables):
    """What a reading command has found."""

    __slots__ = ()

    @abstractmethod
    def document(self) -> Mapping[str, Any]:
        """What `--json` prints."""


def utc(time: datetime | None) -> str | None:
    """A time in UTC, with or without its zone, in RFC 3339."""
    return None if time is None else time.isoformat().removesuffix("+00:00") + "Z"
