"""The public API: exactly the listed names, each documented, and nothing exported by accident."""

import importlib
import inspect
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import advertisex
from advertisex import errors
from advertisex.settings.section import Section

PUBLIC = [
    "COMMIT_COLUMNS",
    "COUNTED_AS",
    "ERASURES",
    "EVENT_COLUMNS",
    "FEEDS",
    "READ_BYTES",
    "REJECT_COLUMNS",
    "REMOVED_COLUMNS",
    "STORED_REJECT_COLUMNS",
    "SUPPRESSED_COLUMNS",
    "TOMBSTONE",
    "AdvertiseXError",
    "AnalysisError",
    "Answer",
    "ApiKey",
    "ApiOptions",
    "Basic",
    "Batch",
    "Bearer",
    "CampaignChange",
    "Catalogue",
    "CatalogueChange",
    "CatalogueFiles",
    "CatalogueImport",
    "CatalogueTables",
    "Chart",
    "Client",
    "ClientCredentials",
    "Columns",
    "Committed",
    "ConfigurationError",
    "Conversion",
    "Counted",
    "Counts",
    "CsvDialect",
    "DataCentres",
    "ErasureRun",
    "EventLog",
    "HeldBack",
    "EventStore",
    "Example",
    "Extent",
    "Feed",
    "FeedSource",
    "Field",
    "FieldMapping",
    "Finding",
    "IngestOptions",
    "InputReport",
    "ErrorReported",
    "IndexGone",
    "ObjectReplaced",
    "RejectMissing",
    "RequestRejected",
    "Resolution",
    "LedgerMoved",
    "LedgerRow",
    "Limits",
    "LogDamaged",
    "LogError",
    "LogMissing",
    "LogUnavailable",
    "LogReader",
    "Meaning",
    "Missing",
    "Networks",
    "Observer",
    "Origin",
    "Outcome",
    "Paginate",
    "Partition",
    "PartnerReport",
    "Policy",
    "Position",
    "Positions",
    "Preview",
    "Processing",
    "Progress",
    "Published",
    "Range",
    "Reading",
    "Rebuilt",
    "Rates",
    "RejectQuery",
    "Removal",
    "Replacement",
    "Replayed",
    "Rule",
    "Scope",
    "Seconds",
    "Selected",
    "Whole",
    "Selection",
    "Sent",
    "Settings",
    "SimulationSettings",
    "SourceError",
    "SourceLine",
    "SourceStatus",
    "SourceUnavailable",
    "Span",
    "State",
    "StoreBusy",
    "StoreError",
    "StoreInterrupted",
    "StoreMissing",
    "StoreOutdated",
    "StoreUnavailable",
    "Table",
    "TimeReading",
    "Truth",
    "ask",
    "attribute",
    "backfill_source",
    "bids",
    "configured_feeds",
    "correlate",
    "diff_campaigns",
    "diff_catalogues",
    "drop_old",
    "erase",
    "funnel",
    "import_catalogue",
    "ingest",
    "journeys",
    "known_sources",
    "list_events",
    "load_settings",
    "missing_messages",
    "observing",
    "open_log",
    "open_replacement",
    "open_store",
    "pacing",
    "performance",
    "preview",
    "process",
    "process_log",
    "processed_in",
    "processing_of",
    "quality",
    "reach",
    "read_campaigns",
    "read_catalogue",
    "read_networks",
    "read_rates",
    "read_report",
    "rebuild_store",
    "reconcile",
    "replay",
    "reset_source",
    "resolve",
    "restatement",
    "run_service",
    "simulate_files",
    "sources_of",
    "summarise",
]

#: Types that a user only reads, by an attribute of a public object, or passes on as they are.
UNNAMED = {
    "AnalysisTruth", "Applied", "Computed", "FaultRates", "FeedMapping", "FeedTruth", "Metrics", "NumberStyle",
    "Overwritten", "Removed", "Suppression",
}  # fmt: skip

SUBPACKAGES = sorted(folder.name for folder in Path(advertisex.__file__).parent.iterdir() if folder.is_dir())


def run(script: str) -> None:
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_public_api_is_exactly_this_list() -> None:
    assert sorted(advertisex.__all__) == sorted(PUBLIC)
    assert dir(advertisex) == sorted(PUBLIC)


def test_every_exception_is_public() -> None:
    exceptions = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
    assert "AdvertiseXError" in exceptions
    assert exceptions <= set(PUBLIC)
    assert exceptions == set(re.findall(r"\b[A-Z]\w+\b(?= {2,}\w)", errors.__doc__ or "")), "drawn in the docstring"


def test_no_other_module_has_an_exception_of_the_tree() -> None:
    tree = "|".join(name for name, _ in inspect.getmembers(errors, inspect.isclass))
    package = Path(advertisex.__file__).parent
    others = (file for file in package.rglob("*.py") if file != package / "errors.py")
    derived = re.compile(rf"^class (\w+)\(.*\b(?:{tree})\b", re.MULTILINE)
    assert [name for file in others for name in derived.findall(file.read_text(encoding="utf-8"))] == []


def test_the_only_other_attributes_are_modules_of_the_package() -> None:
    others = {name: value for name, value in vars(advertisex).items() if not name.startswith("_")}
    modules = {name: value for name, value in others.items() if name not in PUBLIC}
    assert {name for name, value in modules.items() if not isinstance(value, types.ModuleType)} == set()
    assert {module.__name__ for module in modules.values()} == {f"advertisex.{name}" for name in modules}


def functions_of(value: Any) -> Iterator[Any]:
    """A function; or a class and its public methods and properties."""
    if inspect.isclass(value):
        yield value
        for name, member in vars(value).items():
            function = getattr(member, "fget", None) or getattr(member, "__func__", None) or member
            if inspect.isfunction(function) and (name == "__init__" or not name.startswith("_")):
                yield function
    elif inspect.isfunction(value):
        yield value


def types_in(annotation: Any) -> Iterator[type]:
    """The types that an annotation names."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        yield annotation
    parts = typing.get_args(annotation) if not isinstance(annotation, list) else annotation
    for part in parts:
        yield from types_in(part)


def test_every_type_in_a_public_signature_is_public() -> None:
    found = {
        one
        for name in PUBLIC
        for function in functions_of(getattr(advertisex, name))
        for parameter, annotation in typing.get_type_hints(function).items()
        if not parameter.startswith("_")
        for one in types_in(annotation)
        if one.__module__.startswith("advertisex.") and not issubclass(one, Section)  # a table of Settings
    }
    assert {one.__name__ for one in found} - set(PUBLIC) == UNNAMED


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_is_documented(name: str) -> None:
    value = getattr(advertisex, name)
    assert value.__doc__
    if inspect.isclass(value):
        assert not value.__doc__.startswith(f"{name}("), "the docstring is the one that a dataclass generates"


@pytest.mark.parametrize(
    "statement",
    [
        "from advertisex import feeds",
        "from advertisex import FEEDS, stores",
        "from advertisex import *; summarise, open_log, AnalysisError",
        "import advertisex as ax; ax.feeds.FEEDS, ax.FEEDS, ax.stores.contract",
        "import advertisex.stores.open as stores; stores.open_store",
        "import advertisex.settings.feeds",
    ],
)
def test_modules_and_names_can_be_imported_in_any_order(statement: str) -> None:
    run(statement)


@pytest.mark.parametrize("folder", [name for name in SUBPACKAGES if not name.startswith("_")])
def test_a_subpackage_can_be_imported(folder: str) -> None:
    assert importlib.import_module(f"advertisex.{folder}").__name__ == f"advertisex.{folder}"


@pytest.mark.parametrize("name", ["nonsense", "typing", "importlib", "version", "pl", "TYPE_CHECKING", "__wrapped__"])
def test_an_unknown_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"'advertisex' has no attribute '{name}'"):
        getattr(advertisex, name)
    assert not hasattr(advertisex, name)


def test_the_version_is_that_of_the_distribution() -> None:
    assert advertisex.__version__ == importlib.metadata.version("advertisex")


def test_importing_the_package_imports_nothing_slow() -> None:
    run(
        "import sys, advertisex, advertisex.errors\n"
        "slow = {'polars', 'numpy', 'duckdb', 'pydantic', 'advertisex._api'} & set(sys.modules)\n"
        "assert not slow, slow"
    )


def test_the_api_imports_no_server_and_no_rendering_library() -> None:
    run(
        "import sys, advertisex\n"
        "advertisex.summarise\n"
        "slow = {'duckdb', 'elasticsearch', 'confluent_kafka', 'plotly', 'jinja2', 'typer'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
