"""Sources as named on the command line: standard input, an HTTP API, objects of an object store, or files."""

import glob
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import httpx

from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.formats import KNOWN, is_known
from advertisex.ingestion.object_address import Address, address_of
from advertisex.settings.sources import OBJECT_STORES, SCHEMES

_CHECK = "check the name; expected a file, folder, glob, URL or -"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PLACEHOLDER = re.compile(r"%7B(since|until|cursor)((:|%3A)((?!%7D).)*)?%7D")
#: The words of a name: `X-Amz-Signature`, `apiKey` and `APIKey2` have several.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRETS = {
    "token", "key", "secret", "password", "passwd", "pwd", "passphrase", "signature", "sig", "auth", "authorization",
    "credential", "credentials", "cookie", "jwt", "apikey", "authkey", "accesskey", "secretkey", "appkey", "privatekey",
    "subscriptionkey", "accesstoken", "authtoken", "apitoken", "sessiontoken", "securitytoken", "refreshtoken", "hmac",
}  # fmt: skip
#: Words beside which a token or a key is a place in the data, and beside which a key is the name of something.
_PLACES = {"page", "next", "start", "end", "continuation", "continue", "cursor", "pagination", "paging", "last",
    "previous", "prev", "sync", "after", "before", "marker", "resume", "evaluated",
}  # fmt: skip
_NAMED = {"sort", "partition", "primary", "foreign", "row", "object", "record", "group", "order", "publisher",
    "advertiser", "campaign", "creative", "placement", "event", "report", "column", "field", "dimension",
}  # fmt: skip


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
            SourceError: the name is invalid.
        """
        if not self.name.strip():  # Path("") is the current folder, but an empty name is most likely an unset variable
            raise SourceError(
                "the source is empty", hint="expected a file, folder, glob, URL or -; use . for the current folder"
            )
        try:
            return self._found()
        except OSError as error:
            raise SourceError(
                f"could not list the files: {error.strerror or error}", where=self.name, hint=_CHECK
            ) from error

    def _found(self) -> list[Path]:
        path = Path(self.name)
        if path.is_dir():
            return sorted(file for file in path.rglob("*") if is_known(file.name) and file.is_file())
        if path.exists():
            return [path]
        found = glob.glob(self.name, recursive=True)  # noqa: PTH207 - Path.glob rejects absolute patterns
        return sorted(path for path in map(Path, found) if path.is_file())

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
                where=self.name,
                hint=f"known extensions: {', '.join(KNOWN)}",
            )
        raise SourceError("no such file", where=self.name, hint=_CHECK)


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
        ConfigurationError: it is a URL with an unknown scheme, or not a valid address of an object store.
    """
    if text == "-":
        return Stdin(stdin)
    found = _SCHEME.match(text)
    if found is None:
        return Files(text)
    scheme = found[1].lower()
    if scheme not in SCHEMES:
        raise ConfigurationError(
            f"unknown scheme {found[0]!r}", hint=f"known: {', '.join(f'{known}://' for known in SCHEMES)}, or a path"
        )
    return Objects(address_of(text)) if scheme in OBJECT_STORES else Url(text)


def is_secret(name: str) -> bool:
    """Whether the name of a parameter, a header or a member has a word for a secret, as in `api_key` or `authToken`."""
    words = {word.lower() for word in _WORDS.findall(name)}
    found = {word for word in words if word in _SECRETS or word.endswith(("secret", "password"))}
    if words & _PLACES:
        found -= {"token", "key"}
    return bool(found - {"key"} if words & _NAMED else found)


def redacted(url: str | httpx.URL) -> str:
    """Return a URL that is safe to show: without user info, fragment, or values of secret-looking parameters."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return "the given URL"
    parameters = [(name, "***" if is_secret(name) else value) for name, value in parsed.params.multi_items()]
    shown = parsed.copy_with(username=None, password=None, fragment=None)
    text = str(shown.copy_with(params=parameters) if parameters else shown).replace("%2A%2A%2A", "***")
    return _PLACEHOLDER.sub(lambda found: unquote(found[0]), text)
