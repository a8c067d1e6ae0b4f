"""The fields that a question can filter and group by: every stored field but the times, and those of the catalogue."""

import re
from collections.abc import Collection, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation

import polars as pl

from advertisex.analysis.networks import IP_KIND
from advertisex.catalogue.join import TAKEN
from advertisex.errors import ConfigurationError
from advertisex.feeds.feed import AMOUNT
from advertisex.feeds.rules import NUMBER
from advertisex.feeds.words import FALSE, TRUE
from advertisex.model import MONEY
from advertisex.stores.contract import EventStore

#: The value of a field: of a text, a flag, a count or an amount.
FieldValue = str | bool | int | Decimal

_FLAGS = dict.fromkeys(TRUE, True) | dict.fromkeys(FALSE, False)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
#: Rejects more digits than an amount has.
_EXACT = Context(prec=38, traps=[InvalidOperation, Inexact])
_KINDS: dict[pl.DataType, tuple[str, str]] = {
    pl.String(): ("text", "not empty"),
    pl.Boolean(): ("flag", "true or false"),
    pl.Int64(): ("count", "a whole number"),
    AMOUNT: ("amount", f"a number with at most {MONEY} decimal places"),
}


def catalogue_fields(stored: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """The columns that events with these stored columns take from the catalogue, with their dtypes."""
    return dict.fromkeys(TAKEN, pl.String()) if "creative_id" in stored else {}


def fields_of(store: EventStore, feed: str) -> dict[str, pl.DataType]:
    """The fields of a feed with their dtypes, including own fields and those of the catalogue."""
    stored = store.columns(feed)
    found = catalogue_fields(stored) | stored
    return {name: dtype for name, dtype in found.items() if dtype in _KINDS}


def only_clicks_have(store: EventStore, name: str, feeds: Collection[str]) -> bool:
    """Whether the clicks feed has a field, and no other of these feeds has it."""
    others = [feed for feed in feeds if feed != "clicks"]
    if len(others) == len(feeds) or not others:
        return False
    return name in fields_of(store, "clicks") and not any(name in fields_of(store, feed) for feed in others)


def dtype_of(
    store: EventStore, name: str, feeds: Collection[str], argument: str, choices: Collection[str] = ()
) -> pl.DataType:
    """Return the dtype of a field that all these feeds must have.

    Args:
        store: the event store.
        name: name of the field.
        feeds: names of the feeds.
        argument: name of the argument, for the error.
        choices: names to suggest; default: the fields of the feed.

    Raises:
        ConfigurationError: a feed does not have the field, or two feeds have it with different dtypes.
    """
    dtypes = {}
    for feed in feeds:
        known = fields_of(store, feed)
        if name not in known:
            raise _unknown(feed, name, argument, choices or known)
        dtypes[feed] = known[name]
    (first, dtype), *others = dtypes.items()
    for feed, other in others:
        if other != dtype:
            raise ConfigurationError(
                f"{argument}: {name!r} is a field of kind {_KINDS[dtype][0]} in {first}, {_KINDS[other][0]} in {feed}",
                hint="use a field of the same kind",
            )
    return dtype


def value_of(value: object, dtype: pl.DataType, argument: str) -> FieldValue:
    """Return the value of a field, parsed if it is text.

    Raises:
        ConfigurationError: it is not a value of that dtype.
    """
    found = _parsed(value, dtype)
    if found is None:
        raise ConfigurationError(f"{argument}: {value!r} is not valid", hint=f"must be {_KINDS[dtype][1]}")
    return found


def _parsed(value: object, dtype: pl.DataType) -> FieldValue | None:
    if dtype == pl.String():
        return value if isinstance(value, str) and value else None
    if isinstance(value, bool) or dtype == pl.Boolean():
        flag = _FLAGS.get(value.lower()) if isinstance(value, str) else value
        return flag if isinstance(flag, bool) and dtype == pl.Boolean() else None
    if not isinstance(value, str | int | Decimal):
        return None
    return int(str(value)) if dtype == pl.Int64() and _WHOLE.fullmatch(str(value)) else _amount(str(value), dtype)


def _amount(text: str, dtype: pl.DataType) -> Decimal | None:
    if dtype != AMOUNT or not re.match(NUMBER, text):
        return None
    try:
        return Decimal(text).quantize(Decimal(1).scaleb(-MONEY), context=_EXACT)
    except ArithmeticError:
        return None


def _unknown(feed: str, name: str, argument: str, known: Collection[str]) -> ConfigurationError:
    hint = f"use one of {', '.join(known)}"
    if name in TAKEN:
        hint = f"the catalogue gives it to events with a creative, which {feed} do not have; {hint}"
    elif name == IP_KIND:
        hint = f"it needs the setting analysis.data_centres, and events of {feed} processed with an IP address"
    else:
        hint += (
            f"; an own field is added by the setting feeds.{feed}.extra, and exists once events are processed with it"
        )
    return ConfigurationError(f"{argument}: {feed} have no field {name!r}", hint=hint)
