"""Every command that a hint or a message names exists, with the options it is named with."""

import re
from pathlib import Path
from typing import Any

import advertisex
from advertisex.cli import commands

SOURCES = Path(advertisex.__file__).parent
_NAMED = re.compile(
    r"`advertisex ((?:[a-z]+|--[a-z-]+)(?: (?:[a-z]+|--[a-z-]+|[A-Z]+))*)[^`]*`|\bsee advertisex ([a-z]+)"
)


def test_the_commands_that_are_named_exist() -> None:
    found = {m[1] or m[2] for path in SOURCES.rglob("*.py") for m in _NAMED.finditer(path.read_text())}
    assert len(found) > 30
    wrong = [text for text in sorted(found) if not _exists(text.split())]
    assert wrong == []


def _exists(words: list[str]) -> bool:
    first, *rest = words
    if first not in commands.COMMANDS:
        return False
    command: Any = commands.loaded(first)
    for word in rest:
        inner = getattr(command, "commands", {})
        if word.startswith("--"):
            if word not in {option for one in command.params for option in one.opts}:
                return False
        elif inner and word.islower():
            if word not in inner:
                return False
            command = inner[word]
    return True


def test_a_wrong_hint_would_be_found() -> None:
    assert _exists(["rejects", "replay", "--set", "FIELD"])
    assert not _exists(["reject", "list"])
    assert not _exists(["rejects", "remove"])
    assert not _exists(["rebuild", "--all"])
