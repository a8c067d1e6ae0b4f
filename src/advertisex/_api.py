"""The public API: `import advertisex` imports this module on first access, and re-exports its names.

The redundant aliases mark the names as exported, for type checkers and linters. This is the only list. The order is
that of docs/library.md.
"""

# Sources into the log
from advertisex.ingestion.column_fields import Columns as Columns
from advertisex.ingestion.dialect import CsvDialect as CsvDialect
from advertisex.ingestion.ingest import ingest as ingest
from advertisex.ingestion.input_report import InputReport as InputReport
from advertisex.ingestion.mapping import FieldMapping as FieldMapping
from advertisex.ingestion.options.ingest import IngestOptions as IngestOptions
from advertisex.ingestion.publish import Counted as Counted
from advertisex.ingestion.publish import Published as Published
from advertisex.ingestion.records import Reading as Reading

# HTTP APIs, and sources that are read incrementally
from advertisex.ingestion.options.auth import ApiKey as ApiKey
from advertisex.ingestion.options.auth import Basic as Basic
from advertisex.ingestion.options.auth import Bearer as Bearer
from advertisex.ingestion.options.auth import ClientCredentials as ClientCredentials
from advertisex.ingestion.options.api import ApiOptions as ApiOptions
from advertisex.ingestion.configured import FeedSource as FeedSource
from advertisex.ingestion.configured import sources_of as sources_of
from advertisex.ingestion.known_sources import backfill_source as backfill_source
from advertisex.ingestion.known_sources import known_sources as known_sources
from advertisex.ingestion.known_sources import reset_source as reset_source
from advertisex.ingestion.options.paginate import Paginate as Paginate
from advertisex.ingestion.source_status import SourceStatus as SourceStatus

# A preview of a source
from advertisex.previewing import Example as Example
from advertisex.previewing import Preview as Preview
from advertisex.previewing import preview as preview
from advertisex.ingestion.event_types import Meaning as Meaning

# The catalogue, and the log into the store
from advertisex.catalogue.campaign_change import CampaignChange as CampaignChange
from advertisex.catalogue.campaign_change import diff_campaigns as diff_campaigns
from advertisex.catalogue.campaigns_file import read_campaigns as read_campaigns
from advertisex.catalogue.change import CatalogueChange as CatalogueChange
from advertisex.catalogue.change import diff_catalogues as diff_catalogues
from advertisex.catalogue.creatives_file import read_catalogue as read_catalogue
from advertisex.catalogue.files import CatalogueFiles as CatalogueFiles
from advertisex.catalogue.files import CatalogueTables as CatalogueTables
from advertisex.catalogue.imports import CatalogueImport as CatalogueImport
from advertisex.catalogue.imports import import_catalogue as import_catalogue
from advertisex.catalogue.join import Catalogue as Catalogue
from advertisex.processing.configured import processing_of as processing_of
from advertisex.processing.pipeline import process as process
from advertisex.processing.policy import Policy as Policy
from advertisex.processing.runner import Committed as Committed
from advertisex.processing.runner import Processing as Processing
from advertisex.processing.runner import Seconds as Seconds
from advertisex.processing.runner import process_log as process_log

# Questions about the store
from advertisex.analysis.answer import Answer as Answer
from advertisex.analysis.answer import Chart as Chart
from advertisex.analysis.answer import Table as Table
from advertisex.analysis.attribution.attribute import attribute as attribute
from advertisex.analysis.bids import bids as bids
from advertisex.analysis.correlation import correlate as correlate
from advertisex.analysis.funnel import funnel as funnel
from advertisex.analysis.journeys.report import journeys as journeys
from advertisex.analysis.networks import Networks as Networks
from advertisex.analysis.networks import read_networks as read_networks
from advertisex.analysis.pacing.report import pacing as pacing
from advertisex.analysis.performance.report import performance as performance
from advertisex.analysis.quality.report import quality as quality
from advertisex.analysis.reach.report import reach as reach
from advertisex.analysis.reconciliation.partner_report import PartnerReport as PartnerReport
from advertisex.analysis.reconciliation.partner_report import read_report as read_report
from advertisex.analysis.reconciliation.reconcile import reconcile as reconcile
from advertisex.analysis.event_list import list_events as list_events
from advertisex.analysis.restatement import restatement as restatement
from advertisex.analysis.scope import Scope as Scope
from advertisex.analysis.summary import summarise as summarise
from advertisex.analysis.views.asking import Conversion as Conversion
from advertisex.analysis.views.asking import DataCentres as DataCentres
from advertisex.analysis.views.asking import ask as ask
from advertisex.analysis.views.rates import Rates as Rates
from advertisex.analysis.views.rates import read_rates as read_rates

# Questions to a server
from advertisex.client import Client as Client
from advertisex.client import Selected as Selected
from advertisex.client import Whole as Whole

# Rejects and erasure
from advertisex.privacy.erasure import erase as erase
from advertisex.privacy.record import ErasureRun as ErasureRun
from advertisex.rejects.replay import Replayed as Replayed
from advertisex.rejects.replay import Sent as Sent
from advertisex.rejects.replay import replay as replay
from advertisex.rejects.resolve import resolve as resolve
from advertisex.rejects.selection import Selection as Selection
from advertisex.stores.resolutions import Resolution as Resolution

# The service
from advertisex.monitoring.observing import Observer as Observer
from advertisex.monitoring.observing import observing as observing
from advertisex.service import run_service as run_service

# Feeds and settings
from advertisex.feeds import FEEDS as FEEDS
from advertisex.feeds import Feed as Feed
from advertisex.feeds import Field as Field
from advertisex.feeds import Rule as Rule
from advertisex.feeds import TimeReading as TimeReading
from advertisex.settings.feeds import configured_feeds as configured_feeds
from advertisex.settings.load import load_settings as load_settings
from advertisex.settings.model import Settings as Settings

# Event logs
from advertisex.logs.contract import READ_BYTES as READ_BYTES
from advertisex.logs.contract import EventLog as EventLog
from advertisex.logs.contract import HeldBack as HeldBack
from advertisex.logs.contract import Limits as Limits
from advertisex.logs.contract import LogReader as LogReader
from advertisex.logs.contract import Positions as Positions
from advertisex.logs.contract import State as State
from advertisex.logs.open import open_log as open_log
from advertisex.processing.log_retention import processed_in as processed_in
from advertisex.model import TOMBSTONE as TOMBSTONE
from advertisex.model import Batch as Batch
from advertisex.model import Finding as Finding
from advertisex.model import Origin as Origin
from advertisex.model import Partition as Partition
from advertisex.model import Position as Position
from advertisex.model import SourceLine as SourceLine
from advertisex.model import Span as Span

# Event stores
from advertisex.model import COMMIT_COLUMNS as COMMIT_COLUMNS
from advertisex.model import EVENT_COLUMNS as EVENT_COLUMNS
from advertisex.model import REJECT_COLUMNS as REJECT_COLUMNS
from advertisex.model import STORED_REJECT_COLUMNS as STORED_REJECT_COLUMNS
from advertisex.model import SUPPRESSED_COLUMNS as SUPPRESSED_COLUMNS
from advertisex.model import Counts as Counts
from advertisex.model import LedgerRow as LedgerRow
from advertisex.model import Outcome as Outcome
from advertisex.stores.removal import COUNTED_AS as COUNTED_AS
from advertisex.stores.contract import ERASURES as ERASURES
from advertisex.stores.removal import REMOVED_COLUMNS as REMOVED_COLUMNS
from advertisex.stores.contract import EventStore as EventStore
from advertisex.stores.contract import Extent as Extent
from advertisex.stores.contract import Range as Range
from advertisex.stores.contract import RejectQuery as RejectQuery
from advertisex.stores.removal import Removal as Removal
from advertisex.stores.open import open_store as open_store

# Rebuilding a store
from advertisex.rebuild import Missing as Missing
from advertisex.rebuild import Rebuilt as Rebuilt
from advertisex.rebuild import missing_messages as missing_messages
from advertisex.rebuild import rebuild_store as rebuild_store
from advertisex.stores.open import drop_old as drop_old
from advertisex.stores.open import open_replacement as open_replacement
from advertisex.stores.replacement import Progress as Progress
from advertisex.stores.replacement import Replacement as Replacement

# Simulated traffic
from advertisex.demo import simulate_files as simulate_files
from advertisex.simulator import SimulationSettings as SimulationSettings
from advertisex.simulator import Truth as Truth

# Errors
from advertisex.errors import AdvertiseXError as AdvertiseXError
from advertisex.errors import AnalysisError as AnalysisError
from advertisex.errors import ConfigurationError as ConfigurationError
from advertisex.errors import ErrorReported as ErrorReported
from advertisex.errors import IndexGone as IndexGone
from advertisex.errors import LedgerMoved as LedgerMoved
from advertisex.errors import LogDamaged as LogDamaged
from advertisex.errors import LogMissing as LogMissing
from advertisex.errors import LogError as LogError
from advertisex.errors import LogUnavailable as LogUnavailable
from advertisex.errors import ObjectReplaced as ObjectReplaced
from advertisex.errors import RejectMissing as RejectMissing
from advertisex.errors import RequestRejected as RequestRejected
from advertisex.errors import SourceError as SourceError
from advertisex.errors import SourceUnavailable as SourceUnavailable
from advertisex.errors import StoreBusy as StoreBusy
from advertisex.errors import StoreError as StoreError
from advertisex.errors import StoreInterrupted as StoreInterrupted
from advertisex.errors import StoreMissing as StoreMissing
from advertisex.errors import StoreOutdated as StoreOutdated
from advertisex.errors import StoreUnavailable as StoreUnavailable
