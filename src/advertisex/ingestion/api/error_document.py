"""Recognise the error that a server reports in a JSON document, although its status is 200."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from advertisex.codecs.json_text import NOT_JSON, json_object, object_in
from advertisex.feeds import FEEDS
from advertisex.ingestion.json.envelope import NAMES
from advertisex.masking import masked

#: Maximum number of characters of a server's message that is shown.
_SHOWN = 200
#: Maximum size of a value that is decoded.
_DECODED_BYTES = 2**16
#: Keys are compared in lower case, without separators.
_ERRORS = ("error", "errors", "errorcode", "errormessage", "errormsg", "fault", "exception")
_STATES = ("status", "code", "statuscode", "state")
_FLAGS = ("success", "ok", "successful", "issuccess")
#: What a key of an error holds if there is none.
_NOTHING = ("", "0", "none", "null", "no", "false", "ok", "success")
_MESSAGES = (
    "message", "errormessage", "errormsg", "msg", "errordescription", "description", "detail", "details", "reason",
    "title", "error", "errors", "fault", "faultstring", "type", "errorcode", "code", "status",
)  # fmt: skip
#: Objects around the values of an error, in some APIs.
_AROUND = ("response", "result", "meta", "metadata", "header", "status")
#: Lists of objects that are not records.
_NOT_RECORDS = (
    *_ERRORS, "details", "detail", "messages", "warnings", "causes", "cause", "trace", "stacktrace", "debug", "links",
    "fields", "violations", "help", "extensions", "locations", "path", "meta", "metadata",
)  # fmt: skip
_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+\{")
_LIST_OF_OBJECTS = re.compile(rb"(?:\[[ \t\r\n]*+)++\{")
#: A string, the name of a member, or a bracket.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"(?!\s*+:)|"(?P<name>(?:[^"\\]++|\\.)*+)"|[\[\]{}]', re.DOTALL)
#: A record carries at least so many of a feed's required fields, or all of them.
_CARRIED = 2
_LEVELS = 3


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """An error that a response reports.

    Attributes:
        message: what the server says, shortened and without secrets; may be empty.
        has_records: whether there are records beside it.
    """

    message: str
    has_records: bool


def error_document(body: bytes, secrets: Iterable[str] = ()) -> ErrorDocument | None:
    """Return the error that a body reports; None if it does not, if it is itself a record, or if it is not an object.

    Args:
        body: the body of a response.
        secrets: texts that the message must not show.
    """
    if not _OBJECT.match(body):
        return None
    try:
        fields = json_object(body.removeprefix(b"\xef\xbb\xbf"))
        reporting = next(filter(_reports_error, _levels(fields)), None)
        if reporting is None or _is_record(fields):
            return None
        return ErrorDocument(_shown(_message(_small_values(reporting)), secrets), _has_records(fields))
    except RecursionError:  # nested too deep to be decoded
        names = dict.fromkeys(_names(body))
        plain = set(map(_plain, names))
        is_error = not plain.isdisjoint(_ERRORS) and plain.isdisjoint(NAMES) and not _is_record(names)
        return ErrorDocument("", has_records=False) if is_error else None
    except NOT_JSON:  # reported when it is read; several objects in lines are records
        return None


def _names(body: bytes) -> Iterator[str]:
    """Yield the names of an object of any depth."""
    depth = 0
    for found in _TOKEN.finditer(body):
        if found["name"] is None:
            depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(found[0], 0)
        elif depth == 1:
            yield found["name"].decode("utf-8", "replace")


def _levels(fields: Mapping[str, msgspec.Raw]) -> Iterator[Mapping[str, msgspec.Raw]]:
    """Yield an object, and the objects in it that may say whether a request has failed."""
    yield fields
    for name, raw in fields.items():
        if _plain(name) in _AROUND and (inner := object_in(raw)) is not None:
            yield inner


def _reports_error(fields: Mapping[str, msgspec.Raw]) -> bool:
    return any(_is_error(name, value) for name, value in _small_values(fields).items())


def _is_error(name: str, value: Any) -> bool:
    if name in _ERRORS:
        return value.strip().lower() not in _NOTHING if isinstance(value, str) else bool(value)
    if name in _STATES:
        if isinstance(value, str):
            return value.strip().lower().startswith(("error", "fail"))
        return isinstance(value, int) and 400 <= value < 600
    return name in _FLAGS and (value is False or (isinstance(value, str) and value.strip().lower() == "false"))


def _small_values(fields: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    """Return the values by plain name; of a large one, only that it is there."""
    return {
        _plain(name): msgspec.json.decode(raw) if len(memoryview(raw)) <= _DECODED_BYTES else True
        for name, raw in fields.items()
        if _plain(name) in (*_ERRORS, *_STATES, *_FLAGS, *_MESSAGES)
    }


def _is_record(fields: Mapping[str, Any]) -> bool:
    """Whether an object has fields of a feed itself, so that `error` is one more of them."""
    required = ([names for f in feed.fields if f.required for names in [f.names]] for feed in FEEDS.values())
    return any(sum(not fields.keys().isdisjoint(names) for names in feed) >= _CARRIED for feed in required)


def _has_records(fields: Mapping[str, msgspec.Raw], levels: int = _LEVELS) -> bool:
    """Whether an object holds a list of objects, also further inside, that is not a part of an error."""
    for name, raw in fields.items():
        if _plain(name) in _NOT_RECORDS:
            continue
        if _LIST_OF_OBJECTS.match(memoryview(raw)):
            return True
        if levels > 1 and (inner := object_in(raw)) and _has_records(inner, levels - 1):
            return True
    return False


def _message(value: Any) -> str:
    """Return the text of an error: that of the first known key, in the first object of a list."""
    if isinstance(value, list):
        more = f" (and {len(value) - 1:,} more)" if len(value) > 1 else ""
        return next(filter(None, map(_message, value[:1])), "") + more
    if isinstance(value, dict):
        plain = {_plain(name): inner for name, inner in value.items()}
        return next((text for name in _MESSAGES if (text := _message(plain.get(name)))), "")
    return "" if value is None or isinstance(value, bool) else str(value)


def _shown(text: str, secrets: Iterable[str]) -> str:
    text = masked(text, secrets)
    text = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
