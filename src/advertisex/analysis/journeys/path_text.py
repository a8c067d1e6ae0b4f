"""Paths as text: `camp-1 > camp-2 > camp-1`."""

import json
from collections.abc import Sequence

from advertisex.limits import Limit
from advertisex.reporting.cells import NO_TEXT

STEPS = Limit(20, "steps", of="the text of a path of `analyze journeys`", beyond="those in the middle are counted")

_BETWEEN = " > "


def path_text(keys: Sequence[str | None]) -> str:
    """Return a path as text: different paths of up to `STEPS` steps have different texts."""
    names = [NO_TEXT if key is None else _name(key) for key in keys]
    if (left_out := len(names) - STEPS) > 0:
        half = STEPS // 2
        names[half:-half] = [f"({left_out:,} more)"]
    return _BETWEEN.join(names)


def _name(key: str) -> str:
    """A key as it is, or quoted if it could be taken for something else."""
    is_plain = ">" not in key and not key.startswith(("(", '"')) and key == key.strip()
    return key if is_plain else json.dumps(key, ensure_ascii=False)
