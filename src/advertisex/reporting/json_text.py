"""Documents as JSON text, with all digits of a decimal."""

from decimal import Decimal
from typing import Any

import msgspec


def json_text(document: Any) -> str:
    """Encode a document as indented JSON and a newline; a Decimal becomes a number with all its digits."""
    return msgspec.json.format(msgspec.json.encode(_exact(document)), indent=2).decode() + "\n"


def _exact(value: Any) -> Any:
    """Convert a value for msgspec: exact decimals, valid UTF-8."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()  # a file name may contain surrogates
        case Decimal():
            return msgspec.Raw(f"{value:f}".encode())
        case dict():
            return {_exact(key): _exact(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_exact(inner) for inner in value]
        case _:
            return value
