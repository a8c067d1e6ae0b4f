"""Writes a page to a file atomically."""

import os
import secrets
from pathlib import Path

from advertisex.errors import ConfigurationError

_HINT = "choose a file in a writable folder"


def page_target(path: Path) -> Path:
    """Resolve the links of a path, and check that a page can be written there.

    Raises:
        ConfigurationError: no page can be written there.
    """
    if str(path) == "-":
        raise ConfigurationError("a page is written to a file, not to stdout", where="--html -", hint="name a file")
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise ConfigurationError("cannot write the page: not a regular file", where=str(path), hint=_HINT)
    if not target.parent.is_dir():
        raise ConfigurationError("cannot write the page: no such folder", where=str(path), hint=_HINT)
    if not os.access(target.parent, os.W_OK):
        raise ConfigurationError("cannot write the page: the folder is not writable", where=str(path), hint=_HINT)
    return target


def write_page(target: Path, page: str) -> None:
    """Write the page to a temporary file next to the target and rename it, so no reader sees a partial page.

    Raises:
        ConfigurationError: the page cannot be written; the target is unchanged.
    """
    new = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}")
    try:
        new.write_text(page, encoding="utf-8")
        new.replace(target)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigurationError(f"cannot write the page: {error.strerror}", where=str(target), hint=_HINT) from error
