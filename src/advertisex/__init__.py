"""AdvertiseX: ad events in, trustworthy numbers out.

This is the public door. Everything else may move between versions.
"""

from importlib.metadata import version

from advertisex.analysis.correlation import Correlation, correlate
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import Summary, summarise
from advertisex.batches import Batch, Counts, LedgerRow, Outcome, Partition, Span
from advertisex.configured_feeds import configured_feeds
from advertisex.errors import AdvertiseXError
from advertisex.feeds import FEEDS, Feed, Field, Rule, TimeReading
from advertisex.ingestion.ingest import IngestOptions, Published, ingest
from advertisex.ingestion.mapping import Mapping
from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.processing.catalogue_file import read_catalogue
from advertisex.processing.enrich import Catalogue
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.runner import Processing, run
from advertisex.settings import Settings, load_settings
from advertisex.stores.contract import EventStore, Range, RejectQuery
from advertisex.stores.open import open_store

__version__ = version("advertisex")

__all__ = [
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
