"""Secrets by reference: `env:NAME` and `file:PATH` in place of the value of a secret setting.

A reference is replaced once, when the settings are loaded. What it yields is never taken for another reference, so a
secret that begins with `env:` or `file:` itself is given by reference.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, SecretStr

from advertisex.limits import Limit
from advertisex.masking import remember
from advertisex.reasons import reason_of

_MOST_BYTES = Limit(1 << 20, "bytes", of="a file with a secret", beyond="an error of the settings")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class TextOfFile(str):
    """A text of the settings file, in whose folder relative paths start."""

    __slots__ = ("folder",)

    def __new__(cls, text: str, folder: Path) -> "TextOfFile":
        """Return the text, with the folder of its file."""
        found = super().__new__(cls, text)
        found.folder = folder
        return found

    folder: Path


def with_folder(content: Any, folder: Path) -> Any:
    """Return the content of a settings file in which every reference to a file knows the file's folder."""
    match content:
        case dict():
            return {name: with_folder(value, folder) for name, value in content.items()}
        case list():
            return [with_folder(value, folder) for value in content]
        case str() if content.startswith("file:"):
            return TextOfFile(content, folder)
        case _:
            return content


def is_reference(value: Any) -> bool:
    """Whether a value is a reference to a secret."""
    return isinstance(value, str) and value.startswith(("env:", "file:"))


def resolved(value: Any) -> Any:
    """Return what a reference yields, and any other value as it is.

    Raises:
        ValueError: the reference yields nothing. The message names it, and never a value.
    """
    if not is_reference(value):
        return value
    kind, _, name = value.partition(":")
    found = _variable(name) if kind == "env" else _content(Path(getattr(value, "folder", ""), name), name)
    remember(found)
    return found


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):  # never shown: it could be a secret that begins with env:
        raise ValueError("expected the name of an environment variable after env:")
    value = os.environ.get(name)
    if not value:
        what = "not set" if value is None else "empty"
        raise ValueError(f"env:{name}: the environment variable is {what}")
    return value


def _content(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        text = content.decode()
    except (OSError, ValueError) as error:
        why = reason_of(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"file:{name}: the file could not be read: {why}") from None  # the cause may show a byte
    if len(content) > _MOST_BYTES:
        raise ValueError(f"file:{name}: the file is larger than {_MOST_BYTES >> 20} MiB")
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError(f"file:{name}: the file is empty")
    return text


def _remembered(secret: SecretStr) -> SecretStr:
    remember(secret.get_secret_value())
    return secret


#: A secret, which may be given by reference.
Secret = Annotated[SecretStr, BeforeValidator(resolved), AfterValidator(_remembered)]

#: The same for texts that contain secrets only sometimes, such as URLs and headers. Its field needs repr=False.
SecretText = Annotated[str, BeforeValidator(resolved)]
