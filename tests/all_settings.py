"""Every setting of the model, as the guide lists them."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from advertisex.settings.model import Settings

_SPEC = importlib.util.spec_from_file_location("generate", Path(__file__).parent.parent / "docs" / "generate.py")
assert _SPEC is not None
assert _SPEC.loader is not None
_GENERATE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_GENERATE)

#: Every setting by its dotted name.
ALL_SETTINGS: dict[str, FieldInfo] = dict(_GENERATE.all_settings(Settings))

_TYPES = {"auth": ("bearer", "basic", "api-key", "oauth2"), "paginate": ("cursor",)}

_REQUIRED = {
    "sources[]": {"feed": "clicks", "source": "x"},
    "partners[]": {"name": "x"},
    "tokens[]": {"name": "x", "role": "viewer", "hash": f"sha256:{0:064}"},
}


def nested(name: str) -> Iterator[Callable[[Any], dict[str, Any]]]:
    """Yield functions that return the settings in which a setting has a value, for each type of its table."""
    parts = name.replace("FEED", "clicks").replace("NAME", "rule").split(".")
    types = _TYPES.get(parts[1], ()) if len(parts) > 2 and parts[-1] != "type" else ()
    for type_ in types or ("",):

        def table(value: Any, type_: str = type_) -> dict[str, Any]:
            for number, part in reversed(list(enumerate(parts))):
                if part.endswith("[]"):
                    value = {part[:-2]: [_REQUIRED[part] | value]}
                else:
                    value = {part: value} | ({"type": type_} if type_ and number == 2 else {})
                    if parts[0] == "reports" and number == 2:
                        value = {"question": "funnel"} | value
            return dict(value)

        yield table
