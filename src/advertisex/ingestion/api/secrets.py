"""The secrets of an API: hide them in texts, leave them out of what is stored, and notice that they have changed."""

import hashlib
import os
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlsplit, urlunsplit

import msgspec

from advertisex.codecs.json_text import NOT_JSON
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.auth import ApiKey, Auth, Basic, Bearer, ClientCredentials
from advertisex.ingestion.sources import redacted
from advertisex.masking import remember
from advertisex.secret_names import is_secret

_MARK = "advertisex-secret:"
#: Headers whose values may be shown, and those that change nothing about what is asked for.
_SHOWN = {"accept", "accept-encoding", "accept-language", "cache-control", "content-type", "user-agent"}
_TECHNICAL = {"accept-encoding", "cache-control", "user-agent"}
#: Shorter values of headers are not hidden in texts, and shorter secrets not in parameters of other names.
_HIDDEN, _LONG = 4, 8
#: A member with a text or a number in JSON, which may have placeholders, and a field of a form.
_MEMBER = re.compile(r'"((?:[^"\\]|\\.)*+)"\s*+:\s*+("(?:[^"\\]|\\.)*+"|[^\s"{}\[\],]++)')
_FIELD = re.compile(r"(?:^|(?<=&))([^=&]++)=([^&]*+)")
_PLACEHOLDER = re.compile(r"\{(since|until|cursor)[:}]")
_NO_VALUES = ("null", "true", "false")
_USER_INFO = "user info"
_SALT = 16


class Secrets:
    """The secrets of a source: of its URL, its headers, its authentication and its body.

    Args:
        url: the URL as configured.
        options: how the API is asked.

    Attributes:
        public: all else that says what is asked for, as plain data.
    """

    def __init__(self, url: str, options: ApiOptions) -> None:
        self._options = options
        self._values: dict[str, str] = {}
        for name, value in _secrets(url, options):
            if not value or _PLACEHOLDER.search(value):
                continue
            self._values[f"{name} ({len(self._values)})" if name in self._values else name] = value
        self.public = _public(url, options)
        remember(*self.texts())

    def texts(self) -> frozenset[str]:
        """Return the texts that must not be shown: the secrets in all of their spellings, and the values of headers."""
        headers = (value for name, value in self._options.headers.items() if name.lower() not in _SHOWN)
        parts = {part for value in headers for part in (value, value.rpartition(" ")[2]) if len(part) >= _HIDDEN}
        own = () if self._options.auth is None else self._options.auth.secrets()
        proxy = (value for _, value in _in_url("proxy", self._options.proxy or ""))
        encoded = b64encode(self._values.get(_USER_INFO, "").encode()).decode()
        return frozenset(filter(None, {*parts, *own, *proxy, encoded, *self._values.values()}))

    def without(self, url: str) -> str:
        """Return a URL with a mark in place of each secret. Others, in a link that the server made, are kept."""
        return _changed(url, self._marked)

    def restored(self, url: str) -> str:
        """Return a URL with the secrets in place of their marks; one that was removed is left empty."""
        return _changed(url, lambda _, text: self._values.get(text[len(_MARK) :], "") if _is_mark(text) else text)

    def marked(self, body: str) -> str:
        """Return a body of a request with a mark in place of each secret."""
        return _pattern(body).sub(_with_mark, body)

    def sealed(self, earlier: bytes | None) -> bytes:
        """Return a salted digest of the secrets; it is equal to an earlier one if they have not changed."""
        salt = earlier[:_SALT] if earlier else os.urandom(_SALT)
        values = msgspec.json.encode(sorted(self._values.items()))
        return salt + hashlib.scrypt(values, salt=salt, n=2**12, r=8, p=1, dklen=16)

    def _marked(self, name: str, text: str) -> str:
        auth = self._options.auth
        is_own = is_secret(name) or (isinstance(auth, ApiKey) and auth.name == name)
        if not is_own and len(text) < _LONG:
            return text  # a number of a page can be equal to a short secret
        known = (f"url:{name}", *self._values)
        found = next((known_name for known_name in known if self._values.get(known_name) == text), None)
        return text if found is None else f"{_MARK}{found}"


def _secrets(url: str, options: ApiOptions) -> Iterator[tuple[str, str]]:
    """Yield the secrets with their names: `url:token`, `header:x-api-key`, `auth`, `body:token`."""
    yield from _in_url("url", url)
    for name, value in options.headers.items():
        if is_secret(name):
            yield f"header:{name.lower()}", value
    yield from _in_auth(options.auth)
    for found in _pattern(options.body or "").finditer(options.body or ""):
        if is_secret(_plain(found[1])) and found[2] not in _NO_VALUES:
            yield f"body:{found[1]}", _plain(found[2])


def _in_url(name: str, url: str) -> Iterator[tuple[str, str]]:
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user or password:
        yield f"{name}:password", password or user
        if name == "url":
            yield _USER_INFO, f"{user}:{password}"
    for parameter, value in parse_qsl(parts.query):
        if is_secret(parameter):
            yield f"{name}:{parameter}", value


def _in_auth(auth: Auth | None) -> Iterator[tuple[str, str]]:
    match auth:
        case Bearer(token=value) | ApiKey(value=value):
            yield "auth", value
        case Basic():
            yield "auth", auth.password or auth.user
        case ClientCredentials():
            yield "auth", auth.client_secret
            yield from _in_url("token_url", auth.token_url)
            yield from ((f"auth:{name}", value) for name, value in auth.extra.items())


def _public(url: str, options: ApiOptions) -> Any:
    headers = {name.lower(): value for name, value in options.headers.items() if not is_secret(name)}
    kept = sorted((name, value) for name, value in headers.items() if name not in _TECHNICAL)
    parts = urlsplit(url)
    user = parts.username if parts.password else ""
    body = options.body and _pattern(options.body).sub(_with_mark, options.body)
    return options.method, redacted(url), user, kept, _public_auth(options.auth), body


def _public_auth(auth: Auth | None) -> tuple[str, ...]:
    match auth:
        case Basic():
            return "basic", auth.user if auth.password else ""
        case ApiKey():
            return "api-key", auth.name, auth.location
        case ClientCredentials():
            return "oauth2", redacted(auth.token_url), auth.client_id, auth.scope or ""
        case _:  # of a bearer, all is secret
            return ()


def _is_mark(text: str) -> bool:
    return text.startswith(_MARK)


def _pattern(body: str) -> re.Pattern[str]:
    return _MEMBER if body.lstrip()[:1] in ("{", "[") else _FIELD


def _with_mark(found: re.Match[str]) -> str:
    name = _plain(found[1])
    return found[0][: found.start(2) - found.start()] + f"{_MARK}{name}" if is_secret(name) else found[0]


def _plain(text: str) -> str:
    """Return a name or a value of a body without its quotes and escapes."""
    if text[:1] != '"':
        return unquote_plus(text)
    try:
        return msgspec.json.decode(text, type=str)
    except NOT_JSON:
        return text[1:-1]


def _changed(url: str, change: Callable[[str, str], str]) -> str:
    """Return a URL with its user info and the values of its parameters changed; `change` gets their names, too."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    user = ":".join(_changed_part("password", part, change, unquote) for part in user.split(":"))
    pairs = [pair.partition("=") for pair in parts.query.split("&")]
    query = "&".join(f"{n}{equals}{_changed_part(unquote_plus(n), v, change, unquote_plus)}" for n, equals, v in pairs)
    return urlunsplit(parts._replace(netloc=f"{user}{at}{host}", query=query))


def _changed_part(name: str, text: str, change: Callable[[str, str], str], decoded: Callable[[str], str]) -> str:
    """Return a percent-encoded text with its value changed; as it is if that does not change."""
    value = decoded(text)
    changed = change(name, value)
    return text if changed == value else quote(changed, safe="")
