"""Pairs as users write them in options, such as FIELD=VALUE."""

from collections.abc import Iterable

from advertisex.errors import ConfigurationError

#: Options with pairs, and how one is written. A column may contain '=', and so may a value.
_PAIRS = {
    "--map": "COLUMN=FIELD",
    "--inherit": "PARENT.FIELD=FIELD",
    "--set": "FIELD=VALUE",
}


def parse_pairs(texts: Iterable[str] | None, option: str) -> dict[str, str]:
    """Parse the values of an option with pairs into a dictionary.

    Raises:
        ConfigurationError: one of them has no '=', or two give one name different values.
    """
    found: dict[str, str] = {}
    for text in texts or ():
        left, equals, right = text.partition("=") if _PAIRS[option] == "FIELD=VALUE" else text.rpartition("=")
        if not equals:
            raise ConfigurationError(f"{option}: {text!r} has no '='", hint=f"write it as {option} {_PAIRS[option]}")
        if found.setdefault(left, right) != right:
            raise ConfigurationError(
                f"{option}: {left!r} is given twice, as {found[left]!r} and as {right!r}", hint="keep one of them"
            )
    return found
