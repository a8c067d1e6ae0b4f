"""Writes an answer to a file atomically."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from advertisex.errors import ConfigurationError

_HINT = "choose a file in a writable folder"


def write_or_return(path: str | os.PathLike[str] | None, data: Iterable[bytes], what: str) -> str | None:
    """Write UTF-8 text to a file, or return it if the path is None.

    Args:
        path: the file; replaced if it exists.
        data: parts of the text.
        what: what the text is, for error messages.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if path is None:
        return b"".join(data).decode()
    write_file(file_target(Path(path), what), data, what)
    return None


def file_target(path: Path, what: str = "page", option: str = "") -> Path:
    """Resolve the links of a path, and check that a file can be written there.

    Args:
        path: the file.
        what: what is written, for error messages.
        option: the command-line option that names the file, if any.

    Raises:
        ConfigurationError: no file can be written there.
    """
    where = f"{option} {path}".strip()
    if str(path) == "-":
        raise ConfigurationError(f"a {what} is written to a file, not to stdout", where=where, hint="name a file")
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise ConfigurationError(f"cannot write the {what}: not a regular file", where=where, hint=_HINT)
    if not target.parent.is_dir():
        raise ConfigurationError(f"cannot write the {what}: no such folder", where=where, hint=_HINT)
    if not os.access(target.parent, os.W_OK):
        raise ConfigurationError(f"cannot write the {what}: the folder is not writable", where=where, hint=_HINT)
    return target


def write_file(target: Path, data: Iterable[bytes], what: str = "page") -> None:
    """Write to a temporary file next to the target and rename it, so no reader sees a partial file.

    Raises:
        ConfigurationError: the file cannot be written; the target is unchanged.
    """
    new = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}")
    try:
        with new.open("wb") as file:
            file.writelines(data)
        new.replace(target)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigurationError(f"cannot write the {what}: {error.strerror}", where=str(target), hint=_HINT) from error
