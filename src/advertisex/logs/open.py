"""Open an event log by its URL."""

from pathlib import Path

from advertisex.errors import ConfigurationError
from advertisex.logs.contract import EventLog
from advertisex.logs.sqlite import SqliteLog
from advertisex.settings import KafkaSettings

_SQLITE = "sqlite:///"
_KAFKA = "kafka://"


def open_log(url: str, *, create: bool = True, kafka: KafkaSettings = KafkaSettings()) -> EventLog:
    """The log that a URL names: `sqlite:///relative.db`, `sqlite:////absolute.db`, `kafka://host:9092[,host:9092...]`.

    Args:
        url: see above.
        create: whether to make an embedded log that is absent, and topics of Kafka that are to be read and are absent.
        kafka: how a log in Kafka is used.

    Raises:
        ConfigurationError: no log of this version has such a URL.
        LogError: it cannot be opened.
    """
    if url.startswith(_SQLITE) and len(url) > len(_SQLITE):
        return SqliteLog(Path(url.removeprefix(_SQLITE)), create=create)
    if url.startswith(_KAFKA):
        from advertisex.logs.kafka import KafkaLog  # noqa: PLC0415 - slow to import, and only this needs it

        return KafkaLog(url, kafka, create=create)
    scheme, named, _ = url.partition("://")
    shown = repr(scheme) if named else "a URL without ://"  # never the rest: it may hold a password
    raise ConfigurationError(
        f"{shown} is no event log of this version",
        hint="use --log sqlite:///path/to/log.db or --log kafka://host:9092",
    )
