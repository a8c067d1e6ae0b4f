"""Writes an answer to a file atomically."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from advertisex.errors import AdvertiseXError, ConfigurationError
from advertisex.files import making
from advertisex.files.faults import fault_of, is_of_disk

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
    """Write a new file and give it the name of the target, so no reader sees a partial file.

    Raises:
        ConfigurationError: the file cannot be written; the target is unchanged.
    """
    with writing(target, what) as file:
        file.writelines(data)


@contextmanager
def writing(target: Path, what: str) -> Iterator[BinaryIO]:
    """Provide a new file to write to; it takes the name of the target when the context ends without an exception.

    Raises:
        ConfigurationError: the file cannot be written there; the target is unchanged.
        AdvertiseXError: the disk is full, for example; likewise.
    """
    try:
        with making.writing(target) as file:
            yield file
    except OSError as error:
        fault = fault_of(error, target)
        kind = AdvertiseXError if is_of_disk(error) else ConfigurationError
        raise kind(f"cannot write the {what}: {fault.what}", where=str(target), hint=fault.hint) from error
