"""The public API: exactly the listed names, each documented, and nothing exported by accident."""

import subprocess
import sys
import types

import pytest

import advertisex

PUBLIC = [
    "FEEDS",
    "AdvertiseXError",
    "Answer",
    "Batch",
    "Catalogue",
    "Counts",
    "EventLog",
    "EventStore",
    "Feed",
    "Field",
    "FieldMapping",
    "IngestOptions",
    "LedgerRow",
    "Outcome",
    "Partition",
    "Policy",
    "Processing",
    "Published",
    "Range",
    "RejectQuery",
    "Rule",
    "Scope",
    "Settings",
    "Span",
    "Table",
    "TimeReading",
    "attribute",
    "bids",
    "configured_feeds",
    "correlate",
    "funnel",
    "ingest",
    "load_settings",
    "open_log",
    "open_store",
    "process",
    "process_log",
    "quality",
    "reach",
    "read_catalogue",
    "restatement",
    "summarise",
]


def test_the_public_api_is_exactly_this_list() -> None:
    assert advertisex.__all__ == PUBLIC


def test_the_only_other_public_attributes_are_modules() -> None:
    others = {name for name in vars(advertisex) if not name.startswith("_")} - set(PUBLIC) - {"version"}
    assert all(isinstance(vars(advertisex)[name], types.ModuleType) for name in others)


def test_every_name_is_documented() -> None:
    undocumented = [name for name in PUBLIC if not getattr(advertisex, name).__doc__]
    assert undocumented == []


@pytest.mark.parametrize(
    "statement", ["from advertisex import feeds", "from advertisex import FEEDS, stores", "from advertisex import *"]
)
def test_modules_and_names_can_be_imported_in_any_order(statement: str) -> None:
    subprocess.run([sys.executable, "-c", statement], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'advertisex' has no attribute 'nonsense'"):
        advertisex.nonsense  # noqa: B018
    assert not hasattr(advertisex, "nonsense")
    assert set(PUBLIC) < set(dir(advertisex))
