"""The settings model. Flags override `ADVERTISEX_*` environment variables, which override the TOML file."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from advertisex.settings.alerts import AlertSettings
from advertisex.settings.analysis import AnalysisSettings
from advertisex.settings.collector import CollectorSettings
from advertisex.settings.durations import Duration
from advertisex.settings.environment import PREFIX, Environment
from advertisex.settings.reports import ReportName, ReportSettings
from advertisex.settings.secrets import Secret, SecretText, is_reference
from advertisex.settings.section import FeedName, Section, TimeFormat, without_flags
from advertisex.settings.sources import ApiSettings, PartnerSettings, SourceSettings, unique_names
from advertisex.settings.web import WebSettings
from advertisex.settings.zones import zone_name

#: Messages per batch. The row group size of DuckDB, so that a commit writes whole groups; small enough to bound memory.
BATCH_SIZE = 122_880

#: Memory limit of the embedded store.
DEFAULT_MEMORY = "256MB"

#: Longest time that a setting can keep data, in days: a hundred years.
_MOST_DAYS = 36_500
#: Largest size that a setting can keep, in bytes: a petabyte.
_LARGEST_SIZE = 10**15


def _earliest(time: datetime) -> datetime:
    if not 1900 <= time.year <= 9000:  # near the limits of the calendar, converting to UTC overflows
        raise ValueError("the year must be between 1900 and 9000")
    return time


def _paths_as_they_are(properties: Any) -> Any:
    for name, value in properties.items() if isinstance(properties, dict) else ():
        if str(name).endswith(".location") and is_reference(value):
            raise ValueError(f"{name} is the path of a file: write it without env: or file:")
    return properties


def _prefix(text: str) -> str:
    if not re.fullmatch(r"([a-z0-9][a-z0-9._-]*)?", text):
        raise ValueError(
            f"{text!r} is not a valid index prefix; use a-z, 0-9, '.', '-', '_'; start with a letter or digit"
        )
    return text


def _field_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name):  # becomes a column in every store
        raise ValueError("the name of an own field must match [a-z][a-z0-9_]* and have at most 60 characters")
    return name


def _api_key(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", key.get_secret_value()):  # otherwise not valid in a header; never echo the key
        raise ValueError(
            "not a valid encoded API key: use the `encoded` value that Elasticsearch returned, in one line"
        )
    return key


def _pseudonym_key(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value()) < 16:
        raise ValueError("the key is too short to be safe: use at least 16 random characters")
    return key


def _table_of(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | Path) else value


class LogSettings(Section):
    """The event log: where it is, and how long messages are kept. Instead of the table, its URL can be given."""

    url: SecretText | None = Field(
        default=None,
        min_length=1,
        description="URL of the event log, also written `log = URL`; default: sqlite in the data folder",
        repr=False,
    )
    keep_days: int | None = Field(
        default=None, ge=1, le=_MOST_DAYS, description="remove processed messages that are older; embedded log only"
    )
    keep_size: Annotated[ByteSize, Field(ge=1_000_000, le=_LARGEST_SIZE)] | None = Field(
        default=None,
        description="remove the oldest processed messages above a size such as 10GB; embedded log only",
    )


class StoreSettings(Section):
    """The event store: where it is, and how long events are kept. Instead of the table, its URL can be given."""

    url: SecretText | None = Field(
        default=None,
        min_length=1,
        description="URL of the event store, also written `store = URL`; default: duckdb in the data folder",
        repr=False,
    )
    keep_days: int | None = Field(
        default=None, ge=1, le=_MOST_DAYS, description="drop periods of event time that are older"
    )


class TimeSettings(Section):
    """How timestamps are parsed, and which are accepted."""

    zone: Annotated[str, AfterValidator(zone_name)] = Field(
        default="UTC", description="time zone of timestamps without an offset"
    )
    formats: tuple[TimeFormat, ...] = Field(
        default=(), description="strptime formats, tried before all other notations"
    )
    earliest: Annotated[datetime, AfterValidator(_earliest)] = Field(
        default=datetime(2000, 1, 1, tzinfo=UTC), description="reject events before this instant"
    )
    future: Duration = Field(
        default=timedelta(days=1), description="reject events that lie more than this after their ingestion"
    )


class PolicySettings(Section):
    """Which valid events are filtered out."""

    negative_users: bool = Field(default=True, description="filter events whose user id is a negative whole number")
    test_requests: bool = Field(default=True, description="filter bid requests that are marked as a test")
    blocked_users: frozenset[str] = Field(default=frozenset(), description="user ids whose events are filtered")
    blocked_sites: frozenset[str] = Field(
        default=frozenset(), description="hosts whose events are filtered, including their subdomains"
    )


class FeedSettings(Section):
    """Settings of one feed."""

    topic: str | None = Field(default=None, min_length=1, description="topic in the event log")
    aliases: dict[str, str] = Field(default={}, description="additional field names: name in the message = our name")
    extra: dict[Annotated[str, AfterValidator(_field_name)], Literal["text", "flag", "count", "amount"]] = Field(
        default={}, description="own fields: name = text, flag, count or amount"
    )
    identity: tuple[str, ...] = Field(
        default=(),
        description="fields that, with the event time, make up the identity of an event; default: its content",
    )
    schemas: dict[int, Path] = Field(default={}, description="Avro schema files by Confluent schema id (bids only)")


class MetricsSettings(Section):
    """The metrics endpoint."""

    port: int | None = Field(default=None, ge=0, le=65_535, description="serve /metrics on this port; 0 for a free one")
    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")


class KafkaSettings(Section):
    """The event log in Kafka."""

    partitions: int = Field(default=4, ge=1, le=2**31 - 1, description="partitions of a topic that we create")
    replication: int = Field(default=1, ge=1, le=2**15 - 1, description="replicas of a topic that we create")
    group: str = Field(default="ad_processing_group", min_length=1, description="consumer group of processing")
    client: Annotated[dict[str, SecretText], BeforeValidator(_paths_as_they_are)] = Field(
        default={}, description="additional librdkafka properties, such as security.protocol, sasl.*, ssl.*", repr=False
    )


class ElasticsearchSettings(Section):
    """The event store in Elasticsearch."""

    period: Literal["month", "day"] = Field(default="month", description="range of event time in one index")
    shards: int = Field(default=1, ge=1, description="primary shards of an index that we create")
    replicas: int = Field(default=0, ge=0, description="replicas of an index that we create")
    prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        default="",
        max_length=100,
        description="prefix of every index and template name, so that several stores can share a cluster",
    )
    parallel: int = Field(default=2, ge=1, le=16, description="concurrent bulk requests")
    api_key: Annotated[Secret, AfterValidator(_api_key)] | None = Field(
        default=None, description="encoded API key, instead of user and password in the URL"
    )
    ca_file: Path | None = Field(default=None, description="PEM file of the CA that signed the cluster's certificate")


class PrivacySettings(Section):
    """How user ids are stored."""

    pseudonym_key: Annotated[Secret, AfterValidator(_pseudonym_key)] | None = Field(
        default=None,
        description="secret of at least 16 characters; if set, user ids are stored as a keyed hash",
    )


class Settings(BaseSettings):
    """All settings. Unknown names are an error, so that typos are noticed."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    data: Path = Field(default=Path(".advertisex"), description="folder of the embedded log and store")
    log: Annotated[LogSettings, BeforeValidator(_table_of)] = LogSettings()
    store: Annotated[StoreSettings, BeforeValidator(_table_of)] = StoreSettings()
    catalogue: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = Field(
        default=(), description="CSV file of creatives or of campaigns, or a list of both"
    )
    batch_size: int = Field(default=BATCH_SIZE, ge=1, le=1_000_000, description="messages per batch")
    memory: str = Field(
        default=DEFAULT_MEMORY,
        pattern=r"^\d+(\.\d+)?\s?(KB|MB|GB|KiB|MiB|GiB)$",
        description="memory limit of the embedded store",
    )
    times: TimeSettings = TimeSettings()
    policy: PolicySettings = PolicySettings()
    feeds: dict[FeedName, FeedSettings] = {}
    api: ApiSettings = ApiSettings()
    sources: Annotated[tuple[SourceSettings, ...], AfterValidator(unique_names)] = Field(
        default=(), description="sources that `advertisex run` ingests"
    )
    partners: Annotated[tuple[PartnerSettings, ...], AfterValidator(unique_names)] = Field(
        default=(), description="partners whose reports `advertisex reconcile` reads"
    )
    analysis: AnalysisSettings = AnalysisSettings()
    metrics: MetricsSettings = MetricsSettings()
    web: WebSettings = WebSettings()
    collector: CollectorSettings = CollectorSettings()
    kafka: KafkaSettings = KafkaSettings()
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    privacy: PrivacySettings = PrivacySettings()
    alerts: AlertSettings = AlertSettings()
    reports: dict[ReportName, ReportSettings] = Field(default={}, description="saved reports; see docs/reports.md")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources by priority: flags, then the environment; `load_settings` adds the file."""
        return init_settings, Environment(settings_cls)

    @model_validator(mode="before")
    @classmethod
    def _no_flags(cls, values: Any) -> Any:
        return without_flags(values, cls.model_fields)

    def origin(self, *keys: str | int) -> str:
        """Where a setting was given: flag, variable, or file and line; empty if it is a default, or unknown."""
        return ""

    @property
    def log_url(self) -> str:
        """The URL of the event log."""
        return self.log.url or f"sqlite:///{self.data / 'log.db'}"

    @property
    def store_url(self) -> str:
        """The URL of the event store."""
        return self.store.url or f"duckdb:///{self.data / 'store.duckdb'}"
