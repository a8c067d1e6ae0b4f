"""The settings file, and the line on which it gives a setting.

The parser of the standard library knows no lines, so the lines of the file are parsed up to a place: a setting is given
by the statement with which it appears.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from advertisex.errors import ConfigurationError
from advertisex.reasons import reason_of
from advertisex.settings.environment import as_tables

_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")
_NAME = r"""((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)"""
_KEY, _TABLE = re.compile(rf"\s*{_NAME}\s*="), re.compile(rf"\s*\[\[?\s*{_NAME}\s*\]")
#: A place in a document of TOML: keys of tables, and numbers of elements.
Keys = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """A settings file: its path, its lines, and its content, with a table for `log` and `store`."""

    path: Path
    lines: list[str] = field(repr=False)  # it may contain secrets
    content: dict[str, Any] = field(repr=False)

    def place_of(self, keys: Keys) -> str:
        """The file and the line of a setting; of one that it does not have, those of its table."""
        while keys and not has(self.content, keys):
            keys = keys[:-1]
        low, high = 1, len(self.lines)
        while low < high:  # the shortest part of the file that has it
            middle = (low + high) // 2
            _, content = _parsed(self.lines, middle)
            low, high = (low, middle) if has(as_tables(content), keys) else (middle + 1, high)
        before, _ = _parsed(self.lines, low - 1)
        return f"{self.path}:{before + 1}"


def read_settings_file(path: Path) -> SettingsFile:
    """Read a settings file.

    Raises:
        ConfigurationError: it cannot be read, or is not valid TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"could not read the settings: {reason_of(error)}", where=str(path), hint="pass a TOML file with --config"
        ) from error
    lines = text.split("\n")
    try:
        return SettingsFile(path, lines, as_tables(tomllib.loads(f"{text}\n")))
    except tomllib.TOMLDecodeError as error:
        raise _fault(path, lines, str(error)) from None  # its text can have a part of a value


def has(content: Any, keys: Keys) -> bool:
    """Whether a document has something at a place."""
    for key in keys:
        is_there = (
            key < len(content)
            if isinstance(content, list | tuple) and isinstance(key, int)
            else isinstance(content, Mapping) and key in content
        )
        if not is_there:
            return False
        content = content[key]
    return True


def _parsed(lines: Sequence[str], end: int) -> tuple[int, dict[str, Any]]:
    """The content of the first lines, up to the last whole statement before `end`; and how many lines these are."""
    for number in range(end, 0, -1):
        try:
            return number, tomllib.loads("\n".join(lines[:number]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
    return 0, {}


def _fault(path: Path, lines: Sequence[str], text: str) -> ConfigurationError:
    place = _PLACE.search(text)
    end = min(int(place[1]), len(lines)) if place else len(lines)
    before, _ = _parsed(lines, end - 1)
    name, column = _name_at(lines, before), ""
    if "Duplicate" in text or _is_valid("\n".join(lines[before:end])):
        what = "it is given twice"
    else:
        what = "it is not valid TOML"
        column = f", column {place[2]}" if place else ""
        before = end - 1 if place else before
    return ConfigurationError(
        f"setting {name}: {what}" if name else f"could not read the settings: {what}",
        where=f"{path}:{before + 1}{column}",
        hint="keep one of them" if what.endswith("twice") else "text needs quotes; see docs/settings.md",
    )


def _is_valid(statement: str) -> bool:
    try:
        return bool(tomllib.loads(f"{statement}\n"))
    except tomllib.TOMLDecodeError:
        return False


def _name_at(lines: Sequence[str], before: int) -> str:
    """The name of the setting, or of the table, whose statement begins after so many lines; empty if it has none."""
    line = lines[before] if before < len(lines) else ""
    if table := _TABLE.match(line):
        return table[1]
    if not (key := _KEY.match(line)):
        return ""
    tables = (found[1] for above in reversed(lines[:before]) if (found := _TABLE.match(above)))
    return ".".join(filter(None, (next(tables, ""), key[1])))
