"""The settings: a TOML file, then `ADVERTISEX_*` environment variables, then flags, in that rising order."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

FeedName = Literal["impressions", "clicks", "bids"]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{name!r} is no time zone of the IANA database, such as Europe/Paris") from error
    return name


def _time_format(text: str) -> str:
    try:
        moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).strftime(text)
        datetime.strptime(moment, text)  # noqa: DTZ007 - only whether it can be read
    except ValueError as error:
        raise ValueError(f"{text!r} is no strptime format: {error}") from error
    return text


def _earliest(moment: datetime) -> datetime:
    if not 1900 <= moment.year <= 9000:  # what is near the ends of the calendar cannot be moved to UTC
        raise ValueError("choose a year from 1900 to 9000")
    return moment


def _followable(source: str) -> str:
    if source.strip() in {"", "-"}:
        raise ValueError("name a file, folder, glob or URL")
    if "://" in source and not source.lower().startswith(("http://", "https://")):
        raise ValueError("a URL begins with http:// or https://")
    return source


def _prefix(text: str) -> str:
    if not re.fullmatch(r"([a-z0-9][a-z0-9._-]*)?", text):
        raise ValueError(f"{text!r} begins no name of an index: use a-z, 0-9, dot, dash and underscore")
    return text


def _part_of_a_day(length: timedelta) -> timedelta:
    if length < timedelta(minutes=1) or timedelta(days=1) % length or length % timedelta(minutes=1):
        raise ValueError("choose whole minutes that divide a day, such as PT15M or PT1H")
    return length


def _whole_days(length: timedelta) -> timedelta:
    if length % timedelta(days=1) or not timedelta(days=2) <= length <= timedelta(days=365):
        raise ValueError("choose whole days, from P2D to P365D")
    return length


def _rule_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):  # it is part of the name of an environment variable
        raise ValueError("name a rule with a-z, 0-9 and underscore")
    return name


def _api_key(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", key.get_secret_value()):  # else it fits into no header; and it is not told
        raise ValueError(
            "it holds what no encoded API key does: give the `encoded` that Elasticsearch told, in one line"
        )
    return key


def _pseudonym_key(key: SecretStr) -> SecretStr:
    if len(key.get_secret_value()) < 16:
        raise ValueError("a key of fewer than 16 characters can be guessed: draw a long one at random")
    return key


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TimeSettings(_Section):
    """How timestamps are read, and which are believed."""

    zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="zone of timestamps without an offset"
    )
    formats: tuple[Annotated[str, AfterValidator(_time_format)], ...] = Field(
        default=(), description="further strptime formats"
    )
    earliest: Annotated[datetime, AfterValidator(_earliest)] = Field(
        default=datetime(2000, 1, 1, tzinfo=UTC), description="an event before this is rejected"
    )
    future: timedelta = Field(
        default=timedelta(days=1),
        description="an event later than its ingestion by more than this is rejected (seconds or ISO 8601)",
    )


class PolicySettings(_Section):
    """Which valid events are filtered out."""

    negative_users: bool = Field(default=True, description="filter events of negative user ids")
    blocked_users: frozenset[str] = Field(default=frozenset(), description="user ids")
    blocked_sites: frozenset[str] = Field(default=frozenset(), description="hosts; those below them are blocked too")


class FeedSettings(_Section):
    """One feed."""

    topic: str | None = Field(default=None, min_length=1, description="its topic in the event log")
    aliases: dict[str, str] = Field(default={}, description="further names of fields: name in the message = our name")
    id_field: str | None = Field(
        default=None, description="the source's own id: identity is then this and the event time, not the content"
    )
    schemas: dict[int, Path] = Field(default={}, description="Avro schema files by Confluent schema id (bids only)")


class ApiSettings(_Section):
    """How APIs are asked."""

    headers: dict[str, str] = Field(default={}, description="sent with each request", repr=False)
    timeout: float = Field(default=30.0, gt=0, description="seconds without a byte before a request fails")
    retry_wait: float = Field(default=5.0, gt=0, description="seconds before the first retry; they grow, with jitter")
    attempts: int = Field(default=5, ge=1, description="tries before giving up, without --follow")


class SourceSettings(_Section):
    """A source that `advertisex run` follows; the names are those of the options of `advertisex ingest`."""

    feed: FeedName = Field(description="impressions, clicks or bids")
    source: Annotated[str, AfterValidator(_followable)] = Field(
        description="file, folder, glob or http(s) URL", repr=False
    )
    every: float = Field(default=5.0, gt=0, le=86_400, description="seconds between two looks at it")
    map: dict[str, str] = Field(default={}, description="read a column as a field: column = field")
    set: dict[str, str] = Field(default={}, description="give every record this value: field = value")
    time_formats: tuple[Annotated[str, AfterValidator(_time_format)], ...] = Field(
        default=(), description="strptime formats of its timestamps"
    )
    format: str | None = Field(default=None, description="json, ndjson, csv or avro, where it cannot be told")
    records: str | None = Field(default=None, description="where in a JSON document the records are")
    columns: tuple[str, ...] = Field(default=(), description="names of the CSV columns, where there is no header")
    delimiter: str | None = Field(default=None, description="CSV delimiter, where it cannot be told")


class MetricsSettings(_Section):
    """Where metrics are served."""

    port: int | None = Field(default=None, ge=0, le=65_535, description="serve /metrics on this port; 0 is a free one")
    host: str = Field(default="127.0.0.1", min_length=1, description="the address to listen on")


class KafkaSettings(_Section):
    """The event log in Kafka."""

    partitions: int = Field(default=4, ge=1, le=2**31 - 1, description="of a topic that we make")
    replication: int = Field(default=1, ge=1, le=2**15 - 1, description="replicas of a topic that we make")
    group: str = Field(default="ad_processing_group", min_length=1, description="consumer group of processing")
    client: dict[str, str] = Field(
        default={}, description="further librdkafka properties, such as security.protocol, sasl.*, ssl.*", repr=False
    )


class ElasticsearchSettings(_Section):
    """The event store in Elasticsearch."""

    period: Literal["month", "day"] = Field(default="month", description="how much event time an index holds")
    shards: int = Field(default=1, ge=1, description="primary shards of an index that we make")
    replicas: int = Field(default=0, ge=0, description="replicas of an index that we make")
    prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        default="",
        max_length=100,
        description="begins the name of every index and template, so that several stores can share a cluster",
    )
    parallel: int = Field(default=2, ge=1, le=16, description="bulk requests under way at once")
    api_key: Annotated[SecretStr, AfterValidator(_api_key)] | None = Field(
        default=None, description="instead of user and password in the URL"
    )
    ca_file: Path | None = Field(default=None, description="PEM file of the authority that signed its certificate")


class PrivacySettings(_Section):
    """What of users is stored."""

    pseudonym_key: Annotated[SecretStr, AfterValidator(_pseudonym_key)] | None = Field(
        default=None,
        description="a secret of at least 16 characters: with it, user ids are stored as their hash under this key",
    )


class RuleSettings(_Section):
    """One rule of alerts. One of a default rule's name changes what it names of it."""

    metric: Literal["volume", "silence", "ctr", "cvr", "reject_share", "duplicate_share", "delay", "lag"] | None = (
        Field(default=None, description="what is watched; see docs/monitoring.md")
    )
    feed: FeedName | None = Field(default=None, description="only this feed")
    campaign: str | None = Field(
        default=None, min_length=1, description='this campaign, or each one: "*"; default: the feed as a whole'
    )
    above: float | None = Field(default=None, description="a value above this is bad")
    below: float | None = Field(default=None, description="a value below this is bad")
    deviations: float | None = Field(
        default=None, gt=0, description="an anomaly of so many deviations is bad; the default where no bound is given"
    )
    severity: Literal["warning", "critical"] | None = Field(default=None, description="how grave it is")
    off: bool = Field(default=False, description="whether the rule is left out")


class AlertSettings(_Section):
    """Which alerts there are, and who is told."""

    channels: tuple[SecretStr, ...] = Field(default=(), description="where notices go, as URLs of apprise")
    bucket: Annotated[timedelta, AfterValidator(_part_of_a_day)] = Field(
        default=timedelta(minutes=15), description="how much time is judged as one; it divides a day"
    )
    history: Annotated[timedelta, AfterValidator(_whole_days)] = Field(
        default=timedelta(days=28), description="what is expected is learned from so many days"
    )
    pending: int = Field(default=2, ge=1, description="bad buckets in a row before an alert fires, good ones to end it")
    cooldown: timedelta = Field(
        default=timedelta(hours=4),
        ge=timedelta(0),
        description="what fires again so soon after it was told is not told again before",
    )
    rules: dict[Annotated[str, AfterValidator(_rule_name)], RuleSettings] = Field(
        default={}, description="further rules, and changes of the default ones"
    )


class Settings(BaseSettings):
    """Everything that can be set. Unknown names are an error, so that a misspelt one is noticed."""

    model_config = SettingsConfigDict(
        env_prefix="ADVERTISEX_", env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    data: Path = Field(default=Path(".advertisex"), description="folder of the embedded log and store")
    log: str | None = Field(default=None, description="URL of the event log; default: sqlite in the data folder")
    store: str | None = Field(default=None, description="URL of the event store; default: duckdb in the data folder")
    catalogue: Path | None = Field(default=None, description="CSV file: creative_id, campaign_id, advertiser_id")
    batch_size: int = Field(default=122_880, ge=1, le=1_000_000, description="messages in a batch")
    memory: str = Field(
        default="256MB", pattern=r"^\d+(\.\d+)?\s?(KB|MB|GB|KiB|MiB|GiB)$", description="memory of the embedded store"
    )
    times: TimeSettings = TimeSettings()
    policy: PolicySettings = PolicySettings()
    feeds: dict[FeedName, FeedSettings] = {}
    api: ApiSettings = ApiSettings()
    sources: tuple[SourceSettings, ...] = Field(default=(), description="what `advertisex run` ingests")
    metrics: MetricsSettings = MetricsSettings()
    kafka: KafkaSettings = KafkaSettings()
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    privacy: PrivacySettings = PrivacySettings()
    alerts: AlertSettings = AlertSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags over the environment over the file; see `load_settings`."""
        return init_settings, env_settings

    @property
    def log_url(self) -> str:
        """The URL of the event log."""
        return self.log or f"sqlite:///{self.data / 'log.db'}"

    @property
    def store_url(self) -> str:
        """The URL of the event store."""
        return self.store or f"duckdb:///{self.data / 'store.duckdb'}"
