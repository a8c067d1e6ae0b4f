"""How librdkafka is set up here, and what its errors mean to people."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from advertisex.errors import ConfigurationError, LogError
from advertisex.settings import KafkaSettings

#: Seconds that a question to the cluster may take.
WAIT_SECONDS = 10.0

_SCHEME = "kafka://"
_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:/?#@\[\]\s]+)(:\d{1,5})?")
_SHORTEST_SECRET = 4
_DEBUG = logging.getLogger(__name__)

_UNREACHABLE = "check that Kafka runs there and can be reached, or name another with --log"
_CREDENTIALS = "check sasl.* and security.protocol in kafka.client of the settings"
_RIGHTS = "grant this to the user in kafka.client of the settings (kafka-acls --add)"
_MENDS = {
    KafkaError._TRANSPORT: _UNREACHABLE,
    KafkaError._ALL_BROKERS_DOWN: _UNREACHABLE,
    KafkaError._RESOLVE: _UNREACHABLE,
    KafkaError._TIMED_OUT: _UNREACHABLE,
    KafkaError._MSG_TIMED_OUT: "see whether each partition has a leader (kafka-topics --describe), then run this again",
    KafkaError._AUTHENTICATION: _CREDENTIALS,
    KafkaError.SASL_AUTHENTICATION_FAILED: _CREDENTIALS,
    KafkaError.UNSUPPORTED_SASL_MECHANISM: _CREDENTIALS,
    KafkaError._SSL: "check ssl.* and security.protocol in kafka.client of the settings",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.GROUP_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.INVALID_REPLICATION_FACTOR: "lower kafka.replication in the settings to the number of brokers",
    KafkaError.NOT_ENOUGH_REPLICAS: "bring the missing brokers back: too few replicas are in sync",
    KafkaError.TOPIC_EXCEPTION: "name topics with letters, digits, dots, dashes and underscores",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: "another program is in this group: set kafka.group to a name of your own",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise max.message.bytes of the topic (message.max.bytes of the broker), "
    "or split it at the source",
    KafkaError._INVALID_ARG: "check kafka.client in the settings: its names are librdkafka's",
}

#: What waiting does not mend.
HOPELESS = frozenset({
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError._SSL,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.INCONSISTENT_GROUP_PROTOCOL,
    KafkaError.INVALID_GROUP_ID,
    KafkaError.INVALID_SESSION_TIMEOUT,
})  # fmt: skip


@dataclass(slots=True)
class Trouble:
    """The last error that a client met on its own, as its `error_cb`: a time-out then says why."""

    last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Take note of an error."""
        # that all brokers are down follows from what was said of each, which says more
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self.last is None:
            self.last = error


class _Quiet:
    """Takes librdkafka's log, of which there is a line for each attempt to connect."""

    def log(self, level: int, message: str, *args: object) -> None:
        _DEBUG.debug(message, *args)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which brokers, and how clients of theirs are set up.

    Attributes:
        brokers: `host:port`, separated by commas.
        settings: what the user set.
    """

    brokers: str
    settings: KafkaSettings = field(repr=False)  # its `client` holds passwords

    @classmethod
    def of(cls, url: str, settings: KafkaSettings) -> "Cluster":
        """The cluster that a URL names.

        Raises:
            ConfigurationError: it names none.
        """
        if "@" in url:  # never print such a URL
            raise ConfigurationError(
                "the URL of Kafka takes no user or password",
                mend="set sasl.username and sasl.password in kafka.client of the settings",
            )
        brokers = url.removeprefix(_SCHEME).rstrip("/")
        if not all(_BROKER.fullmatch(broker) for broker in brokers.split(",")):
            raise ConfigurationError(f"{url!r} names no Kafka brokers", mend="write kafka://host:9092[,host:9092...]")
        return cls(brokers, settings)

    def configuration(self, trouble: Trouble, usual: Mapping[str, Any], fixed: Mapping[str, Any]) -> dict[str, Any]:
        """What a client is made with.

        Args:
            trouble: told of errors.
            usual: properties that `kafka.client` of the settings may change.
            fixed: properties that what we promise depends on.
        """
        return {
            "client.id": "advertisex",
            **usual,
            **self.settings.client,
            "bootstrap.servers": self.brokers,
            **fixed,
            "error_cb": trouble,
            "logger": _Quiet(),
        }

    def failure(
        self, what: str, error: KafkaError | Exception, trouble: Trouble | None = None, *, where: str = ""
    ) -> LogError:
        """What failed, why, and the mend.

        Args:
            what: the failure.
            error: as librdkafka told it.
            trouble: of the client; says why where the error is a mere time-out.
            where: a place in the log; the brokers are added.
        """
        reason = kafka_error(error)
        if trouble and trouble.last and (reason is None or reason.code() in _VAGUE):
            reason = trouble.last
        said = self._without_secrets(reason.str() if reason else str(error))
        place = f"{where} at {self.brokers}" if where else self.brokers
        return LogError(f"{what}: {said}", where=place, mend=_MENDS.get(reason.code(), "") if reason else "")

    def _without_secrets(self, text: str) -> str:
        for secret in sorted(self.settings.client.values(), key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                text = text.replace(secret, "***")
        return text


_VAGUE = frozenset({
    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._MSG_TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
})  # fmt: skip


def kafka_error(error: KafkaError | Exception) -> KafkaError | None:
    """The error of librdkafka that an exception carries, if it does."""
    if isinstance(error, KafkaException):
        error = error.args[0]
    return error if isinstance(error, KafkaError) else None
