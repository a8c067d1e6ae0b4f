"""Leave the user's secrets out of a request that is stored, and put them back."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlsplit, urlunsplit

import msgspec

from advertisex.codecs.json_text import NOT_JSON
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.api_auth import ApiKey, Basic, Bearer, ClientCredentials
from advertisex.ingestion.api_options import ApiOptions
from advertisex.ingestion.sources import is_secret

_MARK = "advertisex-secret:"


class _Secret(NamedTuple):
    """A secret, and its name in a mark: `url:token`, `header:x-api-key`, `auth`, `body:token`."""

    name: str
    value: str


class Secrets:
    """The secrets of a source: of its URL, its headers, its authentication and its body.

    They are recognised as the user info or a parameter of a URL, and as a string of a JSON body. Other secrets, in a
    link to the next page that the server made, are kept.

    Args:
        url: the URL as configured.
        options: how the API is asked.
    """

    def __init__(self, url: str, options: ApiOptions) -> None:
        self._values = dict(_secrets(url, options))
        self._names = {value: name for name, value in self._values.items() if value}

    def without(self, request: Request) -> Request:
        """Return a request without headers and with a mark in place of each secret."""
        return _changed(replace(request, headers={}), self._marked, self._names)

    def restored(self, request: Request) -> Request:
        """Return a request with the secrets in place of their marks; one that was removed is left empty."""
        marks = {_MARK + name: value for name, value in self._values.items()}
        return _changed(request, lambda text: marks.get(text, "" if text.startswith(_MARK) else text), marks)

    def _marked(self, text: str) -> str:
        return _MARK + self._names[text] if text in self._names else text


def _changed(request: Request, change: Callable[[str], str], texts: Any) -> Request:
    """Return a request with its user info, the values of its parameters and the strings of its body changed."""
    parts = urlsplit(request.url)
    user, at, host = parts.netloc.rpartition("@")
    user = ":".join(_changed_part(part, change, unquote) for part in user.split(":"))
    pairs = [pair.partition("=") for pair in parts.query.split("&")]
    query = "&".join(f"{name}{equals}{_changed_part(value, change, unquote_plus)}" for name, equals, value in pairs)
    body = request.body
    for text in texts if body else ():
        body = body and body.replace(_quoted(text), _quoted(change(text)))
    return replace(request, url=urlunsplit(parts._replace(netloc=f"{user}{at}{host}", query=query)), body=body)


def _changed_part(text: str, change: Callable[[str], str], decoded: Callable[[str], str]) -> str:
    """Return a percent-encoded text with its value changed; as it is if that does not change."""
    value = decoded(text)
    changed = change(value)
    return text if changed == value else quote(changed, safe="")


def _quoted(text: str) -> bytes:
    return msgspec.json.encode(text)


def _secrets(url: str, options: ApiOptions) -> Iterator[_Secret]:
    parts = urlsplit(url)
    yield _Secret("url", unquote(parts.password or ""))
    for name, value in parse_qsl(parts.query):
        if is_secret(name):
            yield _Secret(f"url:{name}", value)
    for name, value in options.headers.items():
        if is_secret(name):
            yield _Secret(f"header:{name.lower()}", value)
    match options.auth:
        case Bearer(token=value) | Basic(password=value) | ApiKey(value=value) | ClientCredentials(client_secret=value):
            yield _Secret("auth", value)
    yield from _in_body(options.body)


def _in_body(body: str | None) -> Iterator[_Secret]:
    try:
        found = msgspec.json.decode(body or "null")
    except NOT_JSON:
        return
    waiting = [found]
    while waiting:
        match waiting.pop():
            case dict() as members:
                for name, value in members.items():
                    if isinstance(value, str) and is_secret(name):
                        yield _Secret(f"body:{name}", value)
                waiting += members.values()
            case list() as values:
                waiting += values
