"""The public API. `import advertisex` re-exports these names and imports this module on first access."""

from importlib.metadata import version

from advertisex.analysis.answer import Answer, Table
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.funnel import funnel
from advertisex.analysis.quality.report import quality
from advertisex.analysis.reach import reach
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import AdvertiseXError
from advertisex.feeds import FEEDS, Feed, Field, Rule, TimeReading
from advertisex.ingestion.ingest import IngestOptions, Published, ingest
from advertisex.ingestion.mapping import FieldMapping
from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.model import Batch, Counts, LedgerRow, Outcome, Partition, Span
from advertisex.processing.catalogue_file import read_catalogue
from advertisex.processing.enrich import Catalogue
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.runner import Processing, process_log
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.load import load_settings
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore, Range, RejectQuery
from advertisex.stores.open import open_store

__version__ = version("advertisex")

__all__ = [
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
