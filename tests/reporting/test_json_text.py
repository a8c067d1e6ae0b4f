"""Documents as JSON text, whole and item by item."""

from decimal import Decimal
from typing import Any

import pytest

from advertisex.reporting.json_text import json_text, json_text_with_list

ITEMS: list[Any] = [{"a": Decimal("1.10"), "b": [1, {"c": 'line\nbreak, \u2028 and "quotes"'}]}, 5, {}, []]


@pytest.mark.parametrize("items", [[], ITEMS[:1], ITEMS])
def test_a_streamed_list_is_the_same_text(items: list[Any]) -> None:
    document = {"total": 3, "counts": [{"n": 1}]}
    assert "".join(json_text_with_list(document, "rows", iter(items))) == json_text(document | {"rows": items})
