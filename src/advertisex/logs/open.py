"""Opens an event log by URL."""

from pathlib import Path

from advertisex.errors import ConfigurationError
from advertisex.extras import extra
from advertisex.logs.contract import EventLog
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.settings.model import KafkaSettings, LogSettings

_SQLITE = "sqlite:///"
_KAFKA = "kafka://"


def is_embedded(url: str) -> bool:
    """Whether the URL is that of an embedded log."""
    return url.startswith(_SQLITE)


def check_retention(url: str, settings: LogSettings) -> None:
    """Reject retention settings for a log that they cannot apply to.

    Raises:
        ConfigurationError: the log is in Kafka, and one of its messages' limits is set.
    """
    for name, limit, option in (
        ("keep_days", settings.keep_days, "retention.ms"),
        ("keep_size", settings.keep_size, "retention.bytes"),
    ):
        if limit is not None and url.startswith(_KAFKA):
            raise ConfigurationError(
                f"setting log.{name}: it applies to an embedded log only",
                hint=f"set {option} of the topics in Kafka, and remove it",
                setting=("log", name),
            )


def check_skippable(url: str) -> None:
    """Reject `--skip-damaged` for a log that is not embedded.

    Raises:
        ConfigurationError: the log is in Kafka.
    """
    if not is_embedded(url):
        raise ConfigurationError(
            "--skip-damaged applies to an embedded log only", hint="remove it: Kafka's brokers check what they store"
        )


def open_log(
    url: str, *, create: bool = True, kafka: KafkaSettings = KafkaSettings(), folder: Path | None = None
) -> EventLog:
    """Open an event log.

    Args:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db` or `kafka://host:9092[,host:9092...]`. A log at
            `sqlite:///:memory:` is private to this call: another call, or another process, opens another log.
        create: whether to create a missing embedded log, and missing Kafka topics when they are read.
        kafka: Kafka settings.
        folder: where the state of followed sources is kept beside a log in Kafka, usually the data folder; None keeps
            it in memory, until the log is closed. An embedded log keeps it in its own file.

    Raises:
        ConfigurationError: the URL is not a supported event log URL.
        LogError: the log cannot be opened.
    """
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        return SqliteLog(Path(url.removeprefix(_SQLITE)), create=create)
    if url.startswith(_KAFKA):
        with extra("kafka", "logs in Kafka"):
            from advertisex.logs.kafka.log import KafkaLog  # noqa: PLC0415 - an extra

        return KafkaLog(url, kafka, create=create, folder=folder)
    scheme, named, _ = url.partition("://")
    shown = f"scheme {scheme!r}" if named else "no scheme"  # never the whole URL: it may contain a password
    raise ConfigurationError(
        f"unsupported event log URL: {shown}",
        hint="use --log sqlite:///path/to/log.db or --log kafka://host:9092",
        setting=("log", "url"),
    )
