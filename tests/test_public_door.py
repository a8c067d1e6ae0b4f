"""What `import advertisex` promises: a short list, every name of it, and nothing by accident."""

import subprocess
import sys
import types

import pytest

import advertisex

DOOR = [
    "FEEDS",
    "AdvertiseXError",
    "Answer",
    "Batch",
    "Catalogue",
    "Correlation",
    "Counts",
    "EventLog",
    "EventStore",
    "Feed",
    "Field",
    "IngestOptions",
    "LedgerRow",
    "Mapping",
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
    "Summary",
    "Table",
    "TimeReading",
    "attribute",
    "bids",
    "configured_feeds",
    "correlate",
    "correlate_by_day",
    "funnel",
    "ingest",
    "load_settings",
    "open_log",
    "open_store",
    "process",
    "quality",
    "reach",
    "read_catalogue",
    "restatement",
    "run",
    "summarise",
    "summarise_by_day",
]


def test_the_door_is_exactly_this_list() -> None:
    assert advertisex.__all__ == DOOR


def test_nothing_else_stands_in_it_but_the_folders() -> None:
    others = {name for name in vars(advertisex) if not name.startswith("_")} - set(DOOR) - {"version"}
    assert all(isinstance(vars(advertisex)[name], types.ModuleType) for name in others)


def test_every_name_is_explained() -> None:
    unexplained = [name for name in DOOR if not getattr(advertisex, name).__doc__]
    assert unexplained == []


@pytest.mark.parametrize(
    "statement", ["from advertisex import feeds", "from advertisex import FEEDS, stores", "from advertisex import *"]
)
def test_modules_and_names_can_be_imported_in_any_order(statement: str) -> None:
    subprocess.run([sys.executable, "-c", statement], check=True)


def test_a_name_that_is_not_there_is_an_error_as_usual() -> None:
    with pytest.raises(AttributeError, match="'advertisex' has no attribute 'nonsense'"):
        advertisex.nonsense  # noqa: B018
    assert not hasattr(advertisex, "nonsense")
    assert set(DOOR) < set(dir(advertisex))
