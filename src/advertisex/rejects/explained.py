"""Explains a reject: the violated rule, the failing field, and where it is in the message."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from advertisex.codecs.bid_fields import EACH, OPENRTB, Path
from advertisex.codecs.json_decode import DECODE_ERRORS, decode_json
from advertisex.codecs.unreadable import body_of
from advertisex.feeds import FEEDS, Feed, Field
from advertisex.feeds.feed import OwnKind
from advertisex.feeds.rules import with_own_fields
from advertisex.feeds.words import is_missing
from advertisex.processing import decode, policy
from advertisex.rejects.pretty import BYTES_PER_LINE, Pretty, pretty

#: Matches the byte offset in the detail of a decode error.
_BYTE = re.compile(r".*?\bbyte (\d+)\b")
#: The rules of the store, by reason code.
_STORE_RULES = {
    "conflicting_duplicate": "The same event is stored already, but with other values in these fields. It stays.",
    "store_rejected": "The event store rejected it: a text is too long, or a time is out of range.",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """Explanation of a reject.

    Attributes:
        rule: the violated rule, in one sentence.
        field: the failing field; None if the whole message fails.
        message: the formatted message.
        failing: index of the line that shows the field, or the byte at which decoding failed; None if unknown.
    """

    rule: str
    field: str | None
    message: Pretty
    failing: int | None


def reason_codes() -> frozenset[str]:
    """Every reason code that a reject can have, with own fields of any kind."""
    own: dict[str, OwnKind] = {f"own_{kind}": kind for kind in get_args(OwnKind)}
    rules = {rule.code for feed in FEEDS.values() for rule in with_own_fields(feed, own).rules}
    return frozenset({*decode.REASONS, *policy.REASONS, *_STORE_RULES, *rules})


def explain(reject: Mapping[str, Any], feed: Feed) -> Explained:
    """Explain one reject.

    Args:
        reject: a row of `EventStore.rejects`.
        feed: the feed of the message, as configured.
    """
    named = reject["detail"].partition(":")[0]
    field = feed.field_named(named)
    message = pretty(reject["payload"], feed)
    line = _line_at(reject, message) if field is None else _line_of(field, named, feed, message)
    name = "" if field is None else field.name
    return Explained(_rule(reject["stage"], reject["reason"], name, feed), name or None, message, line)


def _rule(stage: str, reason: str, field: str, feed: Feed) -> str:
    """The text of a rule, or its code if the rule no longer exists."""
    match stage:
        case "decode" if reason in decode.REASONS:
            return decode.REASONS[reason]
        case "filter" if reason in policy.REASONS:
            return f"{policy.REASONS[reason].description} Setting: {policy.REASONS[reason].setting}."
        case "store" if reason in _STORE_RULES:
            return _STORE_RULES[reason]
        case _:
            broken = (rule for rule in feed.rules if (rule.code, rule.field) == (reason, field))
            texts = (f"{rule.field} {rule.requirement}." for rule in broken)
            return next(texts, f"{reason}: unknown rule; it may have been removed.")


def _line_of(field: Field, named: str, feed: Feed, message: Pretty) -> int | None:
    """The line with the value that is read, or else one where the field is null."""
    lines: dict[Path, int] = {}
    for number, path in enumerate(message.paths):
        if path:
            lines.setdefault(path, number)
    found = [lines[path] for path in _candidate_paths(field, named, feed, lines) if path in lines]
    given = [number for number in found if not _is_missing_at(message.lines[number])]
    return next(iter(given or found), None)


def _is_missing_at(line: str) -> bool:
    """Whether the value in a line of indented JSON is missing."""
    try:
        return is_missing(decode_json(line.partition(": ")[2].rstrip(",").encode()))
    except DECODE_ERRORS:
        return False


def _is_at(path: Path, wanted: Path) -> bool:
    """Whether a path is the wanted one, with an index for each step `EACH`."""
    steps = zip(path, wanted, strict=False)
    return len(path) == len(wanted) and all(a == b or (b == EACH and isinstance(a, int)) for a, b in steps)


def _line_at(reject: Mapping[str, Any], message: Pretty) -> int | None:
    """The line with the byte at which decoding failed, if the detail contains its offset."""
    found = _BYTE.match(reject["detail"])
    if found is None or message.document is not None:
        return None
    byte = int(found[1])
    line = byte // BYTES_PER_LINE if message.format == "bytes" else body_of(reject["payload"])[:byte].count(b"\n")
    return line if line < len(message.lines) else None


def _candidate_paths(field: Field, named: str, feed: Feed, lines: Mapping[Path, int]) -> Iterator[Path]:
    """The paths at which the field may be, in the order of lookup."""
    yield (named,)
    yield from ((name,) for name in field.names)
    if feed.wire == "json":
        return
    if ("imp",) in lines:
        yield from (path for wanted in OPENRTB.get(field.name, ()) for path in lines if _is_at(path, wanted))
    else:
        nested = (path for path in lines if path[-1] in field.names and all(isinstance(step, str) for step in path))
        yield from sorted(nested, key=len)
