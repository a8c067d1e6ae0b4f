"""Keeps files that clients upload for questions about them, until the server ends."""

import os
import re
from collections.abc import AsyncIterable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from shutil import rmtree

from anyio import fail_after
from anyio.to_thread import run_sync

from advertisex.errors import ConfigurationError
from advertisex.limits import Limit

LARGEST_UPLOAD = Limit(67_108_864, "bytes", of="an uploaded file", beyond="an error of the request")

MOST_UPLOADS = Limit(16, "files", of="the uploads that are kept", beyond="the oldest ones are removed")

MOST_AT_ONCE = Limit(
    4, "files", of="the uploads that are received at the same time", beyond="answered with status 429 and `Retry-After`"
)

#: Seconds in which an upload must arrive: it has one of few places.
_SECONDS = 120.0

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC, like all times here
_ID = re.compile(r"[0-9a-f]{32}")
#: Characters that stay in the name of a file; what is shown of it, and what its format is detected by.
_UNUSUAL = re.compile(r"[^\w.() -]")
_LONGEST_NAME = 100


class TooLarge(Exception):
    """An upload has more bytes than are accepted."""


class Uploads:
    """Files in a folder, by an id that follows from their name and content.

    Args:
        folder: where they are kept; it exists, and nobody else writes there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, name: str, body: AsyncIterable[bytes], modified: datetime | None = None) -> str:
        """Keep a file.

        Args:
            name: its name, as the client gives it.
            body: its content.
            modified: when it was modified (naive UTC); None for now.

        Returns:
            Its id.

        Raises:
            TooLarge: it is too large.
            TimeoutError: it does not arrive in time.
        """
        name = _UNUSUAL.sub("_", Path(name.replace("\\", "/")).name)[-_LONGEST_NAME:].lstrip(". ") or "upload"
        content, digest = bytearray(), sha256(f"{name}\n{modified}\n".encode())
        with fail_after(_SECONDS):
            async for part in body:
                content += part
                digest.update(part)
                if len(content) > LARGEST_UPLOAD:
                    raise TooLarge
        found = digest.hexdigest()[:32]
        await run_sync(self._write, found, name, bytes(content), modified)
        return found

    def path_of(self, found: str) -> Path:
        """Return the file with an id.

        Raises:
            ConfigurationError: there is none.
        """
        folder = self._folder / found
        if not _ID.fullmatch(found) or not folder.is_dir():
            raise ConfigurationError(
                f"report: no upload has the id {found!r}",
                hint="upload the file again: uploads are kept until the server ends, the last ones only",
            )
        return next(folder.iterdir())

    def _write(self, found: str, name: str, content: bytes, modified: datetime | None) -> None:
        folder = self._folder / found
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        if modified is not None:
            time = (modified - _EPOCH) // timedelta(microseconds=1) * 1_000
            os.utime(folder / name, ns=(time, time))
        kept = sorted(self._folder.iterdir(), key=lambda one: one.stat().st_mtime_ns)
        for old in kept[:-MOST_UPLOADS]:
            rmtree(old)
