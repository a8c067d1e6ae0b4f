"""Why a message was refused: the field, where it is in the message, and the rule that it breaks."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from advertisex.feeds import Feed, Field
from advertisex.feeds.flatten import OPENRTB
from advertisex.processing import decode, policy
from advertisex.rejects.pretty import DUMPED, Path, Pretty, pretty

#: How the detail of what cannot be decoded begins.
_BYTE = re.compile(r".*?\bbyte (\d+)\b")
_STORE_REFUSED = "The event store cannot hold it: a text that is too long, or a time that is too far away."


@dataclass(frozen=True, slots=True)
class Explained:
    """A reject, explained.

    Attributes:
        rule: what is expected, in one sentence.
        field: the field that fails; None where it is the message as a whole.
        message: the message for people.
        failing: the number of the line that shows the field, or the byte at which decoding ended; None where there is
            none.
    """

    rule: str
    field: str | None
    message: Pretty
    failing: int | None


def explain(reject: Mapping[str, Any], feed: Feed) -> Explained:
    """Explain one reject.

    Args:
        reject: a row of `EventStore.rejects`.
        feed: of the message, as the settings have it.
    """
    named = reject["detail"].partition(":")[0]
    field = feed.field_named(named)
    message = pretty(reject["payload"], feed)
    line = _line_at(reject, message) if field is None else _line_of(field, named, feed, message)
    name = "" if field is None else field.name
    return Explained(_rule(reject["stage"], reject["reason"], name, feed), name or None, message, line)


def _rule(stage: str, reason: str, field: str, feed: Feed) -> str:
    """The text of a rule; what the settings no longer have is told by its code."""
    match stage:
        case "decode" if reason in decode.REASONS:
            return decode.REASONS[reason]
        case "filter" if reason in policy.REASONS:
            return f"{policy.REASONS[reason].says} Setting: {policy.REASONS[reason].setting}."
        case "store":
            return _STORE_REFUSED
        case _:
            says = (f"{rule.field} {rule.says}." for rule in feed.rules if (rule.code, rule.field) == (reason, field))
            return next(says, f"{reason}: there is no such rule now.")


def _line_of(field: Field, named: str, feed: Feed, message: Pretty) -> int | None:
    """The line with the value that counts, or one where it is null."""
    lines: dict[Path, int] = {}
    for number, path in enumerate(message.paths):
        if path:
            lines.setdefault(path, number)
    found = [lines[path] for path in _places(field, named, feed, lines) if path in lines]
    given = [number for number in found if not message.lines[number].rstrip(",").endswith(": null")]
    return next(iter(given or found), None)


def _line_at(reject: Mapping[str, Any], message: Pretty) -> int | None:
    """The line with the byte at which decoding ended, where the detail tells it."""
    found = _BYTE.match(reject["detail"])
    if found is None or message.document is not None:
        return None
    byte = int(found[1])
    line = byte // DUMPED if message.format == "bytes" else reject["payload"][:byte].count(b"\n")
    return line if line < len(message.lines) else None


def _places(field: Field, named: str, feed: Feed, lines: Mapping[Path, int]) -> Iterator[Path]:
    """Where the field may be, in the order in which it is looked for."""
    yield (named,)
    yield from ((name,) for name in field.names)
    if feed.avro_schema is None:
        return
    if ("imp",) in lines:
        yield from OPENRTB.get(field.name, ())
    else:
        nested = (path for path in lines if path[-1] in field.names and all(isinstance(step, str) for step in path))
        yield from sorted(nested, key=len)
