"""The address of objects in an object store: `s3://bucket/folder/*.csv`."""

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl

from advertisex.errors import ConfigurationError
from advertisex.ingestion.formats import is_known
from advertisex.secret_names import is_secret

_WILDCARDS = "*?["
_BUCKET = re.compile(r"\$?[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Address:
    """Objects of a bucket.

    Attributes:
        scheme: s3, gs or az.
        bucket: name of the bucket, or of the container.
        pattern: key of an object; or a glob of keys; or, if empty or with a slash at its end, a folder.
    """

    scheme: str
    bucket: str
    pattern: str

    @property
    def is_glob(self) -> bool:
        """Whether the pattern has wildcards."""
        return any(letter in self.pattern for letter in _WILDCARDS)

    @property
    def is_folder(self) -> bool:
        """Whether the pattern cannot be the key of an object."""
        return not self.pattern or self.pattern.endswith("/")

    @property
    def folder(self) -> str:
        """The folder that has all objects, without a slash at its end: the part before the first wildcard."""
        if not self.is_glob:
            return self.pattern.rstrip("/")
        first = min(at for at in map(self.pattern.find, _WILDCARDS) if at >= 0)
        return self.pattern[:first].rpartition("/")[0]

    def matches(self, key: str) -> bool:
        """Whether an object of the folder is one of the objects: without a glob, by its extension."""
        return self._keys.fullmatch(key) is not None if self.is_glob else is_known(key)

    def name_of(self, key: str) -> str:
        """The name of an object in messages."""
        return f"{self.scheme}://{self.bucket}/{key}"

    @cached_property
    def _keys(self) -> re.Pattern[str]:
        return glob_pattern(self.pattern)


def address_of(url: str) -> Address:
    """Parse an address.

    Raises:
        ConfigurationError: it has no valid bucket; the message does not show it, as it may contain a password.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, pattern = rest.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(
            f"the {scheme}:// address has no valid bucket name",
            hint=f"write it as {scheme}://BUCKET/KEY; credentials belong into the environment, not into the address",
        )
    if any(is_secret(name) for name, _ in parse_qsl(pattern.partition("?")[2])):
        raise ConfigurationError(
            f"the {scheme}:// address has parameters with credentials",
            hint=f"write it as {scheme}://BUCKET/KEY; use the whole https:// URL if it is signed",
        )
    if pattern.startswith("/") or "//" in pattern:
        raise ConfigurationError(
            "a key with an empty part between two slashes cannot be read", where=url, hint="check the address"
        )
    return Address(scheme.lower(), bucket, pattern)


def glob_pattern(glob: str) -> re.Pattern[str]:
    """Return the pattern of the keys that a glob matches.

    `*` and `?` match any letters and any letter but a slash, `[…]` and `[!…]` one letter of a set, and `**`, as a whole
    part of the path, any number of folders, at its end everything below.
    """
    parts = glob.split("/")
    last = len(parts) - 1
    translated: list[str] = []
    for at, part in enumerate(parts):
        if part == "**":
            translated.append(".*" if at == last else "(?:[^/]+/)*")
        else:
            translated.append(_part_pattern(part) + ("" if at == last else "/"))
    return re.compile("".join(translated), re.DOTALL)


def _part_pattern(part: str) -> str:
    """Return the regular expression of a part between slashes."""
    translated, at = "", 0
    while at < len(part):
        letter = part[at]
        end = part.find("]", at + 2 + (part[at + 1 : at + 2] == "!")) if letter == "[" else -1
        if end > 0:
            translated += _set_pattern(part[at + 1 : end])
            at = end
        else:
            translated += {"*": "[^/]*", "?": "[^/]"}.get(letter) or re.escape(letter)
        at += 1
    return translated


def _set_pattern(letters: str) -> str:
    """Return the regular expression of one letter of a set; a range whose end comes before its start has no letter."""
    negated = letters.startswith("!")
    found, rest = "", letters[negated:]
    while rest:
        if len(rest) >= 3 and rest[1] == "-":
            if rest[0] <= rest[2]:
                found += f"{re.escape(rest[0])}-{re.escape(rest[2])}"
            rest = rest[3:]
        else:
            found, rest = found + re.escape(rest[0]), rest[1:]
    if not found:
        return "[^/]" if negated else "(?!)"
    return f"(?!/)[{'^' if negated else ''}{found}]"
