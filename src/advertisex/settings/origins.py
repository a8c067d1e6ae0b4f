"""Where a setting was given: by a flag, by an environment variable, or on a line of the settings file."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from advertisex.errors import AdvertiseXError, ConfigurationError
from advertisex.settings.environment import PREFIX
from advertisex.settings.toml_file import Keys, SettingsFile, has

#: Returns where a setting was given, or nothing: a file and line, a variable, or a flag.
Origin = Callable[..., str]


@dataclass(frozen=True, slots=True, repr=False)
class Origins:
    """The places that give settings, the first of which wins.

    Attributes:
        flags: values of flags, by setting.
        variables: values of environment variables, by setting.
        file: the settings file; None if there is none.
    """

    flags: Mapping[str, Any]
    variables: Mapping[str, Any]
    file: SettingsFile | None

    def of(self, *keys: str | int) -> str:
        """Return the flag, the variable, or the file and line; of a missing setting, those of its table."""
        for length in range(len(keys), 0, -1):
            part = keys[:length]
            if has(self.flags, part):
                return f"--{str(part[0]).replace('_', '-')}"
            if has(self.variables, part):
                return variable_of(part)
            if self.file is not None and has(self.file.content, part):
                return self.file.place_of(part)
        return ""


def variable_of(keys: Keys) -> str:
    """The variable that gives a setting: its own, that of a table around it, or the first one of a part of it."""
    names = {name.upper(): name for name in os.environ}
    own, *around = (PREFIX + "__".join(map(str, keys[:length])).upper() for length in range(len(keys), 0, -1))
    parts = sorted(name for name in names if name.startswith(f"{own}__"))
    return next((names[name] for name in (own, *around, *parts) if name in names), "environment")


def where_of(error: AdvertiseXError, origin: Origin) -> str:
    """Where something failed; of the error of a setting, also where that was given."""
    keys = error.setting if isinstance(error, ConfigurationError) else ()
    given = origin(*keys) if keys else ""
    return f"{error.where}, from {given}" if error.where and given else error.where or given
