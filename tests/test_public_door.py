"""What `import advertisex` promises: a short list, every name of it, and nothing by accident."""

import types

import advertisex

DOOR = [
    "FEEDS",
    "AdvertiseXError",
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
    "TimeReading",
    "configured_feeds",
    "correlate",
    "ingest",
    "load_settings",
    "open_log",
    "open_store",
    "process",
    "read_catalogue",
    "run",
    "summarise",
]


def test_the_door_is_exactly_this_list() -> None:
    assert advertisex.__all__ == DOOR


def test_nothing_else_stands_in_it_but_the_folders() -> None:
    others = {name for name in vars(advertisex) if not name.startswith("_")} - set(DOOR) - {"version"}
    assert all(isinstance(vars(advertisex)[name], types.ModuleType) for name in others)


def test_every_name_is_explained() -> None:
    unexplained = [name for name in DOOR if not getattr(advertisex, name).__doc__]
    assert unexplained == []
