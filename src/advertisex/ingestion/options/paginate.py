"""How an API is paged, as the user chooses it; the names are those of dlt."""

import re
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from advertisex.errors import ConfigurationError

PagingType = Literal["header-link", "json-link", "cursor", "page", "offset", "none"]
TYPES: tuple[PagingType, ...] = get_args(PagingType)

#: Usual names of cursors in a response -> the parameter that takes them.
CURSORS = {
    "next_cursor": "cursor",
    "nextCursor": "cursor",
    "cursor.next": "cursor",
    "next_page_token": "page_token",
    "nextPageToken": "pageToken",
    "continuation_token": "continuation_token",
    "continuationToken": "continuationToken",
    "next_continuation_token": "continuation_token",
    "nextContinuationToken": "continuationToken",
    "scroll_id": "scroll_id",
    "scrollId": "scrollId",
    "next_page": "page",
    "nextPage": "page",
}
#: The same for headers, in lower case.
CURSOR_HEADERS = {"x-next-page": "page", "x-next-cursor": "cursor", "x-next-page-token": "page_token"}

#: The parts of each type.
_PARTS: dict[PagingType, tuple[str, ...]] = {
    "header-link": (),
    "json-link": ("next_path",),
    "cursor": ("cursor_path", "cursor_header", "param", "body_param"),
    "page": ("param", "body_param", "start", "total_path"),
    "offset": ("param", "body_param", "start", "limit", "limit_param", "total_path"),
    "none": (),
}
#: Parts that are numbers.
_NUMBERS = ("start", "limit")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LARGEST = 10**9


@dataclass(frozen=True, slots=True)
class Paginate:
    """How the next page of an API is asked for.

    Attributes:
        type: header-link (the header `Link` with rel="next"), json-link (a URL in the body), cursor (a value of the
            response that is sent back), page (numbers of pages), offset (numbers of records), none (one page only).
        next_path: json-link: dotted path of the URL in the body; by default the usual names are tried.
        cursor_path: cursor: dotted path of the cursor in the body; by default the usual names are tried.
        cursor_header: cursor: name of the header with the cursor, instead of a path.
        param: query parameter that takes the cursor, page or offset. Defaults: `page`, `offset`, and the usual
            parameter of a usual cursor.
        body_param: dotted path in the JSON body of a POST that takes it, instead of a query parameter.
        start: first page or offset; by default that of the URL or the body. An offset without either starts at 0.
        limit: offset: number of records to ask for.
        limit_param: offset: parameter, or with `body_param` path in the body, that takes the limit; default `limit`.
        total_path: page, offset: dotted path of the total number of records; by default the usual names are tried.
    """

    type: PagingType
    next_path: str | None = None
    cursor_path: str | None = None
    cursor_header: str | None = None
    param: str | None = None
    body_param: str | None = None
    start: int | None = None
    limit: int | None = None
    limit_param: str | None = None
    total_path: str | None = None

    def check(self) -> None:
        """Validate the parts.

        Raises:
            ConfigurationError: a part is missing, invalid, or contradicts another one.
        """
        if self.type not in TYPES:
            raise _unknown(self.type, "paginate.type")
        for name in (field.name for field in fields(self) if field.name != "type"):
            value = getattr(self, name)
            if value is not None:
                self._check_part(name, value)
        for one, other in (("cursor_path", "cursor_header"), ("param", "body_param")):
            if getattr(self, one) and getattr(self, other):
                raise _invalid(other, f"{one} and {other} exclude each other", "leave one of them out")
        if self.limit_param and self.limit is None:
            raise _invalid("limit_param", "limit_param needs a limit", "set paginate.limit too")
        if self.type == "cursor" and not (self.param or self.body_param) and not self._has_usual_param():
            raise _invalid("param", "the parameter that takes the cursor is missing", 'set it, as in param = "cursor"')

    def _check_part(self, name: str, value: str | int) -> None:
        if name not in _PARTS[self.type]:
            allowed = ", ".join(_PARTS[self.type]) or "none"
            raise _invalid(name, f"{name} is not a part of the type {self.type}", f"its parts: {allowed}")
        if isinstance(value, int):
            least = 1 if name == "limit" else 0
            if not least <= value <= _LARGEST:
                raise _invalid(name, f"{value} is not a valid number", f"use {least} or more")
        elif name == "cursor_header":
            if not _HEADER.fullmatch(value):
                raise _invalid(name, f"{value!r} is not a valid name of a header", 'use a name such as "X-Next-Page"')
        elif not value.strip() or not value.isprintable():
            raise _invalid(name, f"{value!r} is not a valid name", "use the name of a parameter or a dotted path")

    def _has_usual_param(self) -> bool:
        if self.cursor_header:
            return self.cursor_header.lower() in CURSOR_HEADERS
        return self.cursor_path is None or usual_param(self.cursor_path) is not None


def usual_param(cursor_path: str) -> str | None:
    """Return the parameter that usually takes the cursor at a path of the response; None for an unusual name."""
    last = cursor_path.rpartition(".")[2]
    return CURSORS.get(".".join(cursor_path.split(".")[-2:])) or CURSORS.get(last)


def parse_paginate(text: str) -> Paginate:
    """Parse the value of --paginate: a type, perhaps with parts, such as `cursor:cursor_path=meta.next,param=after`.

    Raises:
        ConfigurationError: the type or a part is unknown, or a part is missing or invalid.
    """
    name, colon, rest = text.partition(":")
    found = next((known for known in TYPES if known == name), None)
    if found is None:
        raise _unknown(name, "--paginate")
    try:
        paginate = Paginate(found, **(_parts(found, rest) if colon else {}))
        paginate.check()
    except ConfigurationError as error:
        raise ConfigurationError(error.what, where="--paginate", hint=error.hint) from error
    return paginate


def _parts(kind: PagingType, text: str) -> dict[str, Any]:
    known = ", ".join(_PARTS[kind]) or "none"
    parts: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ConfigurationError(f"{part!r} has no '='", hint=f"write it as {kind}:PART=VALUE; its parts: {known}")
        if name not in _PARTS[kind]:
            raise ConfigurationError(f"{name!r} is not a part of the type {kind}", hint=f"its parts: {known}")
        if name in parts:
            raise ConfigurationError(f"{name} is given twice", hint="keep one of them")
        parts[name] = _number(name, value) if name in _NUMBERS else value
    return parts


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,10}", text, re.ASCII):
        raise ConfigurationError(f"{name}: {text!r} is not a whole number", hint=f"write it as {name}=1")
    return int(text)


def _unknown(text: str, where: str) -> ConfigurationError:
    return ConfigurationError(f"unknown type of paging {text!r}", where=where, hint=f"use {', '.join(TYPES)}")


def _invalid(part: str, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(what, where=f"paginate.{part}", hint=hint)
