"""Sources as named on the command line: standard input, an HTTP API, objects of an object store, or files."""

import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

import httpx

from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.formats import KNOWN, is_known
from advertisex.ingestion.object_address import Address, address_of
from advertisex.ingestion.urls import url_problem
from advertisex.limits import Limit
from advertisex.masking import MASK, masked
from advertisex.reasons import reason_of
from advertisex.secret_names import is_secret
from advertisex.settings.sources import OBJECT_STORES, SCHEMES

#: What is known of each takes about half a kilobyte.
MOST_FILES = Limit(250_000, "files or objects", of="a source", beyond="an error of the source")
_CHECK = "check the name; expected a file, folder, glob, URL or -"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
#: A scheme without two slashes.
_MISTYPED = re.compile(r"(https?):(?!//)|(s3|gs|az):/(?!/)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"%7B(since|until|cursor)((:|%3A)((?!%7D).)*)?%7D")


def too_many(name: str) -> SourceError:
    """Return the error of a source with more than `MOST_FILES` files or objects."""
    return SourceError(
        f"there are more than {MOST_FILES:,} files or objects",
        where=masked(name),
        hint="name a part of them, such as a subfolder or a glob of one month",
    )


@dataclass(frozen=True, slots=True)
class Stdin:
    """Standard input.

    Attributes:
        stream: read in place of the standard input of the process.
    """

    stream: BinaryIO | None = None

    @property
    def name(self) -> str:
        """The name of the source in counts and messages."""
        return "stdin"


@dataclass(frozen=True, slots=True)
class Url:
    """An HTTP API.

    Attributes:
        url: its URL, which may contain secrets.
    """

    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """The URL without its secrets."""
        return redacted(self.url)


@dataclass(frozen=True, slots=True)
class Files:
    """A file, a folder, or the files that a glob matches.

    Attributes:
        name: name of the file or folder, or the glob.
    """

    name: str

    def paths(self) -> list[Path]:
        """Return the files, in order; empty if nothing matches.

        A folder matches all files with a known extension in it and in its subfolders.

        Raises:
            SourceError: the name is invalid, or there are too many files.
        """
        if not self.name.strip():  # Path("") is the current folder, but an empty name is most likely an unset variable
            raise SourceError(
                "the source is empty", hint="expected a file, folder, glob, URL or -; use . for the current folder"
            )
        try:
            return self._found()
        except OSError as error:
            raise SourceError(
                f"could not list the files: {reason_of(error)}", where=masked(self.name), hint=_CHECK
            ) from error

    def _found(self) -> list[Path]:
        path = Path(self.name)
        if path.is_dir():
            return self._sorted(file for file in path.rglob("*") if is_known(file.name) and file.is_file())
        if path.exists():
            return [path]
        found = glob.iglob(self.name, recursive=True)  # noqa: PTH207 - Path.glob rejects absolute patterns
        return self._sorted(path for path in map(Path, found) if path.is_file())

    def _sorted(self, found: Iterable[Path]) -> list[Path]:
        paths = list(islice(found, MOST_FILES + 1))
        if len(paths) > MOST_FILES:
            raise too_many(self.name)
        return sorted(paths)

    def existing_paths(self) -> list[Path]:
        """Return the files, at least one.

        Raises:
            SourceError: nothing matches, or the name is invalid.
        """
        if paths := self.paths():
            return paths
        if Path(self.name).is_dir():
            raise SourceError(
                "the folder contains no file with a known extension",
                where=masked(self.name),
                hint=f"known extensions: {', '.join(KNOWN)}",
            )
        raise SourceError("no such file", where=masked(self.name), hint=_CHECK)


@dataclass(frozen=True, slots=True)
class Objects:
    """Objects of an object store.

    Attributes:
        address: their address, which has no secrets.
    """

    address: Address

    @property
    def name(self) -> str:
        """The address as text."""
        return self.address.name_of(self.address.pattern)


Source = Stdin | Url | Objects | Files


def source_of(text: str, stdin: BinaryIO | None = None) -> Source:
    """Parse the name of a source; `stdin` replaces the standard input of the process for `-`.

    Raises:
        ConfigurationError: it is an invalid URL, one with an unknown scheme, or not a valid address of an object store.
    """
    if text == "-":
        return Stdin(stdin)
    if mistyped := _MISTYPED.match(text):
        scheme = (mistyped[1] or mistyped[2]).lower()
        raise ConfigurationError(
            f"invalid URL: {scheme}: is not followed by two slashes",
            hint=f"write {scheme}://…; a file of this name can be given as ./{scheme}:…",
        )
    found = _SCHEME.match(text)
    if found is None:
        return Files(text)
    scheme = found[1].lower()
    if scheme not in SCHEMES:
        raise ConfigurationError(
            f"unknown scheme {found[0]!r}", hint=f"known: {', '.join(f'{known}://' for known in SCHEMES)}, or a path"
        )
    if scheme in OBJECT_STORES:
        return Objects(address_of(text))
    if problem := url_problem(text):
        raise ConfigurationError(
            f"invalid URL: {problem}",
            where=f"{scheme}://…",
            hint="write it as https://host:port/path, with special characters of a password as %XX",
        )
    return Url(text)


def redacted(url: str | httpx.URL) -> str:
    """Return a URL that is safe to show: without user info, fragment, or values of secret-looking parameters."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "the given URL"
    parameters = [(name, MASK if is_secret(name) else value) for name, value in parsed.params.multi_items()]
    shown = parsed.copy_with(username=None, password=None, fragment=None)
    text = str(shown.copy_with(params=parameters) if parameters else shown).replace(quote(MASK), MASK)
    return _PLACEHOLDER.sub(lambda found: unquote(found[0]), text)
