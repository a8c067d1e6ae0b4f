"""Configures librdkafka clients, and translates their errors into `LogError` with hints."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from advertisex.errors import ConfigurationError, LogError, LogUnavailable
from advertisex.logs.kafka.reasons import MECHANISMS, reason_text, setting_problem
from advertisex.masking import masked, remember
from advertisex.reasons import unexpected
from advertisex.secret_names import is_secret
from advertisex.settings.model import KafkaSettings

#: The client id of our group members, unless `kafka.client` sets another.
CLIENT_ID = "advertisex"
_SCHEME = "kafka://"
_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:/?#@\[\]\s]+)(?::(\d{1,5}))?")
_MAX_PORT = 65_535
_DEBUG = logging.getLogger(__name__)
_Client = TypeVar("_Client")

_UNREACHABLE = "check that Kafka is running there and reachable, or pass another address with --log"
_CREDENTIALS = "check sasl.* and security.protocol in the setting kafka.client"
_RIGHTS = "grant the right to the user of the setting kafka.client (kafka-acls --add)"
_BAD_CERTIFICATE = "certificate verify failed"
#: librdkafka's error for an HTTP or TLS response, whose first bytes it reads as a length.
_NOT_KAFKA = "Invalid response size"
_HINTS = {
    KafkaError._TRANSPORT: _UNREACHABLE,
    KafkaError._ALL_BROKERS_DOWN: "check that Kafka is running there, and check security.protocol and sasl.* in the "
    "setting kafka.client: brokers that require TLS or a login close the connection without an error",
    KafkaError._RESOLVE: _UNREACHABLE,
    KafkaError._TIMED_OUT: _UNREACHABLE,
    KafkaError._MSG_TIMED_OUT: "check that each partition has a leader (kafka-topics --describe), then run this again",
    KafkaError._AUTHENTICATION: _CREDENTIALS,
    KafkaError.SASL_AUTHENTICATION_FAILED: _CREDENTIALS,
    KafkaError._SSL: "check ssl.* and security.protocol in the setting kafka.client",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.GROUP_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: _RIGHTS,
    KafkaError.NOT_ENOUGH_REPLICAS: "restart the missing brokers: too few replicas are in sync",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: "another application uses this group: set kafka.group to a unique name",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise max.message.bytes of the topic (message.max.bytes of the broker), "
    "or split the message at the source",
}

#: What to do instead of changing a fixed property.
_INSTEAD = {"bootstrap.servers": "pass the brokers with --log", "group.id": "set kafka.group"}

#: Errors without a cause, which the client's last error explains.
_VAGUE = frozenset({
    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._MSG_TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
})  # fmt: skip

_TEMPORARY = _VAGUE | {
    KafkaError._RESOLVE, KafkaError.BROKER_NOT_AVAILABLE, KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.REPLICA_NOT_AVAILABLE, KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH, KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.REQUEST_TIMED_OUT, KafkaError.NETWORK_EXCEPTION, KafkaError.NOT_CONTROLLER,
}  # fmt: skip

#: Errors that a retry does not fix.
PERMANENT = frozenset({
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


def is_temporary(error: KafkaError) -> bool:
    """Whether a retry may fix the error: the brokers do not respond, or elect a leader."""
    return error.code() in _TEMPORARY and not is_permanent(error)


def is_permanent(error: KafkaError) -> bool:
    """Whether a retry cannot fix the error."""
    return error.fatal() or error.code() in PERMANENT or _BAD_CERTIFICATE in error.str()


@dataclass(slots=True)
class ClientErrors:
    """The last error reported by a client's `error_cb`: it explains a later timeout."""

    last: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Record an error."""
        # "all brokers down" follows from the errors of single brokers, which are more specific
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self.last is None:
            self.last = error


class _QuietLogger:
    """Logs librdkafka's messages at debug level: it writes a line for every connection attempt."""

    def log(self, level: int, message: str, *args: object) -> None:
        if _DEBUG.isEnabledFor(logging.DEBUG):
            _DEBUG.debug("%s", masked(message % args if args else message))


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts in seconds.

    Attributes:
        request: timeout of a request to the cluster.
        stalled: time without progress of the ledger after which another application must hold the remaining
            partitions.
    """

    request: float = 10.0
    stalled: float = 60.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """The brokers of a cluster, and the settings of its clients.

    Attributes:
        brokers: `host:port`, separated by commas.
        settings: Kafka settings.
        timeouts: timeouts of all its clients.
    """

    brokers: str
    settings: KafkaSettings = field(repr=False)  # `client` may hold passwords
    timeouts: Timeouts = Timeouts()

    @classmethod
    def of(cls, url: str, settings: KafkaSettings, timeouts: Timeouts = Timeouts()) -> "Cluster":
        """The cluster of a `kafka://` URL.

        Raises:
            ConfigurationError: the URL is not valid.
        """
        if "@" in url:  # never print such a URL
            raise ConfigurationError(
                "a Kafka URL cannot contain a user or password",
                hint="set sasl.username and sasl.password in the setting kafka.client",
                setting=("log", "url"),
            )
        brokers = url.removeprefix(_SCHEME).rstrip("/")
        if not all(_is_broker(broker) for broker in brokers.split(",")):
            raise ConfigurationError(
                "invalid Kafka URL", hint="expected kafka://host:9092[,host:9092...]", setting=("log", "url")
            )
        remember(*(value for name, value in settings.client.items() if is_secret(name)))
        return cls(brokers, settings, timeouts)

    def client(
        self,
        make: Callable[[dict[str, Any]], _Client],
        client_errors: ClientErrors,
        defaults: Mapping[str, Any],
        fixed: Mapping[str, Any],
    ) -> _Client:
        """Create a librdkafka client.

        Args:
            make: the client class.
            client_errors: receives the client's errors.
            defaults: properties that the setting `kafka.client` may override.
            fixed: properties that must not be overridden.

        Raises:
            ConfigurationError: the setting `kafka.client` is invalid, or overrides a fixed property.
        """
        self._check_files()
        self._check_changes({"bootstrap.servers": self.brokers, **fixed})
        properties = {
            "client.id": "advertisex",
            **defaults,
            **self.settings.client,
            "bootstrap.servers": self.brokers,
            **fixed,
            "error_cb": client_errors,
            "logger": _QuietLogger(),
        }
        try:
            return make(properties)
        except KafkaException as error:
            reason = kafka_error(error)
            problem = setting_problem(reason, self.settings.client) if reason else unexpected(error)
            hint = MECHANISMS if "SASL mechanism" in problem else "names and values are those of librdkafka"
            raise ConfigurationError(
                f"setting kafka.client: {problem}",
                hint=hint,
                setting=("kafka", "client", problem.split()[0].rstrip(":")),  # its first word, if it names a property
            ) from None  # it would show the value

    def _check_files(self) -> None:
        """Check that files exist: librdkafka's own error does not name the file."""
        for name, value in self.settings.client.items():
            if name.endswith(".location") and value != "probe" and not Path(value).exists():
                raise ConfigurationError(
                    f"setting kafka.client: {name}: file not found",
                    where=value,
                    hint="check the path",
                    setting=("kafka", "client", name),
                )

    def _check_changes(self, fixed: Mapping[str, Any]) -> None:
        """Reject changes to fixed properties, which would be ignored silently."""
        for name, value in self.settings.client.items():
            if name in fixed and value.lower() != str(fixed[name]).lower():
                raise ConfigurationError(
                    f"setting kafka.client: {name} cannot be changed: correctness depends on it",
                    hint=_INSTEAD.get(name, "remove it"),
                    setting=("kafka", "client", name),
                )

    def failure(
        self, what: str, error: KafkaError | Exception, client_errors: ClientErrors | None = None, *, where: str = ""
    ) -> LogError:
        """Build a `LogError` with cause and hint; a `LogUnavailable` if a retry may fix it.

        Args:
            what: what failed.
            error: the error of librdkafka.
            client_errors: errors of the client; its last one replaces an `error` that is only a timeout.
            where: topic, partition or position; the brokers are added.
        """
        reason = kafka_error(error)
        if client_errors and client_errors.last and (reason is None or reason.code() in _VAGUE):
            reason = client_errors.last
        why = reason_text(reason) if reason else unexpected(error)
        if reason and reason.code() == KafkaError._ALL_BROKERS_DOWN:
            # no broker reported a more specific error, so each accepted the connection first
            why = "the brokers closed the connection"
        place = f"{where} at {self.brokers}" if where else self.brokers
        is_kafka = not (reason and _NOT_KAFKA in reason.str())
        kind = LogUnavailable if reason and is_kafka and is_temporary(reason) else LogError
        return kind(f"{what}: {why}", where=place, hint=_hint(reason) if reason else "")


def _is_broker(text: str) -> bool:
    found = _BROKER.fullmatch(text)
    return found is not None and 0 < int(found[2] or 9092) <= _MAX_PORT


def _hint(error: KafkaError) -> str:
    if _NOT_KAFKA in error.str():
        return "check the host and port of --log; if it is Kafka, check security.protocol in the setting kafka.client"
    if "Unsupported SASL mechanism" in error.str():
        return f"{MECHANISMS}: one that the brokers have enabled"
    if _BAD_CERTIFICATE in error.str():
        return (
            "set ssl.ca.location in the setting kafka.client to the PEM file of the certificate authority, "
            "and use broker host names that match their certificates"
        )
    if error.code() == KafkaError._TRANSPORT and "SSL" in error.str():  # disconnected during the TLS handshake
        return "check that Kafka is running there, and check security.protocol in the setting kafka.client"
    return _HINTS.get(error.code(), "")


def kafka_error(error: KafkaError | Exception) -> KafkaError | None:
    """The librdkafka error of an exception, if it has one."""
    if isinstance(error, KafkaException):
        error = error.args[0]
    return error if isinstance(error, KafkaError) else None
