"""Where a page is written: all of it, or nothing."""

import os
import secrets
from pathlib import Path

from advertisex.errors import ConfigurationError

_HINT = "name a file in a folder that you may write to"


def page_target(path: Path) -> Path:
    """The file that a path leads to, through links.

    Raises:
        ConfigurationError: no page can be written there.
    """
    if str(path) == "-":
        raise ConfigurationError("a page is written to a file, not to stdout", where="--html -", hint="name a file")
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise ConfigurationError("cannot write the page: that is no file", where=str(path), hint=_HINT)
    if not target.parent.is_dir():
        raise ConfigurationError("cannot write the page: there is no such folder", where=str(path), hint=_HINT)
    if not os.access(target.parent, os.W_OK):
        raise ConfigurationError("cannot write the page: the folder is read-only", where=str(path), hint=_HINT)
    return target


def write_page(target: Path, page: str) -> None:
    """Write it beside the target and put it into its place, so that nobody meets half of it.

    Raises:
        ConfigurationError: it cannot be written; the target is as it was.
    """
    new = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}")
    try:
        new.write_text(page, encoding="utf-8")
        new.replace(target)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise ConfigurationError(f"cannot write the page: {error.strerror}", where=str(target), hint=_HINT) from error
