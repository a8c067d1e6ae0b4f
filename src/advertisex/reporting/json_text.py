"""Documents as JSON text, with all digits of a decimal."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec


def json_text(document: Any) -> str:
    """Encode a document as indented JSON and a newline; a Decimal becomes a number with all its digits."""
    return msgspec.json.format(msgspec.json.encode(_exact(document)), indent=2).decode() + "\n"


def json_text_with_list(document: Mapping[str, Any], name: str, items: Iterable[Any]) -> Iterator[str]:
    """Encode a document as `json_text` does, with a last member that is a list; each item is encoded as it arrives.

    Args:
        document: the other members, at least one.
        name: name of the list.
        items: its items.
    """
    start = json_text(document).removesuffix("\n}\n")
    yield f'{start},\n  "{name}": ['
    end = "]"
    for number, item in enumerate(items):
        lines = json_text(item).removesuffix("\n").replace("\n", "\n    ")  # a text contains none as it is
        yield f"{',' if number else ''}\n    {lines}"
        end = "\n  ]"
    yield f"{end}\n}}\n"


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
