"""Set and read a parameter of a request: in the query of its URL, or in its JSON body.

Everything else keeps its exact spelling.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote_plus

import msgspec

from advertisex.codecs.json_text import NOT_JSON, json_object, object_in
from advertisex.errors import ConfigurationError
from advertisex.ingestion.api.request import Request

#: Headers that belong to one page alone.
_CONDITIONAL = ("if-none-match", "if-modified-since")
#: More digits than any page number or offset has.
_DIGITS = 18


def with_url(request: Request, url: str) -> Request:
    """Return the request for another page, without the conditional headers of this one."""
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _CONDITIONAL}
    return replace(request, url=url, headers=headers)


def with_parameter(url: str, name: str, value: str) -> str:
    """Return a URL with a query parameter: in its place if it is there, else as the last one."""
    base, hash_mark, fragment = url.partition("#")
    path, _, query = base.partition("?")
    encoded = quote(value, safe="-._~:")
    parts, is_set = [], False
    for part in query.split("&") if query else []:
        key = part.partition("=")[0]
        if unquote_plus(key) != name:
            parts.append(part)
        elif not is_set:
            parts.append(f"{key}={encoded}")
            is_set = True
    if not is_set:
        parts.append(f"{quote(name, safe='')}={encoded}")
    return f"{path}?{'&'.join(parts)}{hash_mark}{fragment}"


def parameter(url: str, name: str) -> str | None:
    """Return the value of a query parameter, the first one of that name; None if it is absent."""
    query = url.partition("#")[0].partition("?")[2]
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if unquote_plus(key) == name:
            return unquote_plus(value)
    return None


class Place:
    """Where a request carries a value.

    Args:
        param: name of a query parameter, or dotted path in the body.
        in_body: whether it is in the body.
    """

    def __init__(self, param: str, *, in_body: bool) -> None:
        self.param, self._in_body = param, in_body

    def check(self, request: Request) -> None:
        """Raise ConfigurationError unless the request can carry the value."""
        if self._in_body:
            self.set(request, 0)

    def set(self, request: Request, value: str | int | msgspec.Raw) -> Request:
        """Return the request with a value; in a body, a number stays a number, and `Raw` is JSON."""
        if not self._in_body:
            return with_url(request, with_parameter(request.url, self.param, str(value)))
        body = _with_value(_body_object(request), self.param.split("."), msgspec.json.encode(value))
        return replace(with_url(request, request.url), body=msgspec.json.encode(body))

    def number(self, request: Request) -> int | None:
        """Return the value in a request; None if it is absent or not a whole number."""
        text = self._text_in_body(request) if self._in_body else parameter(request.url, self.param)
        return whole_number(text)

    def value(self, request: Request) -> bytes | None:
        """Return the value in the body of a request as JSON; None if it is absent."""
        value: Any = _body_object(request)
        for step in self.param.split("."):
            value = (object_in(value) or {}).get(step)
        return None if value is None else bytes(value)

    def _text_in_body(self, request: Request) -> str | None:
        value = self.value(request)
        return None if value is None else value.decode("utf-8", "replace").strip('"')


def whole_number(text: str | None) -> int | None:
    """Return the number of a text of digits; None if it is something else."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None


def _body_object(request: Request) -> Mapping[str, msgspec.Raw]:
    try:
        if request.method == "POST" and request.body is not None:
            return json_object(request.body)
    except NOT_JSON:
        pass
    raise ConfigurationError(
        "the parameter cannot be in the body: the request is not a POST with a JSON object",
        where="paginate.body_param",
        hint="use paginate.param for a query parameter, or set the method and the body of the source",
    )


def _with_value(fields: Mapping[str, msgspec.Raw], steps: list[str], value: bytes) -> dict[str, msgspec.Raw]:
    step, *more = steps
    if more:
        raw = fields.get(step, msgspec.Raw(b"null"))
        inner = {} if bytes(raw) == b"null" else object_in(raw)
        if inner is None:
            raise ConfigurationError(
                f"{step!r} in the body is not an object", where="paginate.body_param", hint="check the path"
            )
        value = msgspec.json.encode(_with_value(inner, more, value))
    return {**fields, step: msgspec.Raw(value)}
