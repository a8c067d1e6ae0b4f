"""How librdkafka is set up here, and what its errors mean to people."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from advertisex.errors import ConfigurationError, LogError
from advertisex.settings import KafkaSettings

#: Seconds that a question to the cluster may take.
WAIT_SECONDS = 10.0

_SCHEME = "kafka://"
_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:/?#@\[\]\s]+)(?::(\d{1,5}))?")
_LAST_PORT = 65_535
_SHORTEST_SECRET = 4
#: Values of properties that are no secret, and that an error has to be able to tell.
_WORDS = frozenset({
    "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI",
    "OAUTHBEARER",
})  # fmt: skip
_DEBUG = logging.getLogger(__name__)
_Client = TypeVar("_Client")

_UNREACHABLE = "check that Kafka runs there and can be reached, or name another with --log"
_CREDENTIALS = "check sasl.* and security.protocol in kafka.client of the settings"
_RIGHTS = "grant this to the user in kafka.client of the settings (kafka-acls --add)"
_BAD_CERTIFICATE = "certificate verify failed"
#: The first bytes of an answer of HTTP or TLS, taken for a length.
_NO_KAFKA = "Invalid response size"
_HINTS = {
    KafkaError._TRANSPORT: _UNREACHABLE,
    KafkaError._ALL_BROKERS_DOWN: "see that Kafka runs there, and check security.protocol and sasl.* in kafka.client "
    "of the settings: brokers that want TLS or a login hang up without a word",
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
    KafkaError.NOT_ENOUGH_REPLICAS: "bring the missing brokers back: too few replicas are in sync",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: "another program is in this group: set kafka.group to a name of your own",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise max.message.bytes of the topic (message.max.bytes of the broker), "
    "or split it at the source",
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


def is_hopeless(error: KafkaError) -> bool:
    """Whether waiting does not mend it."""
    return error.fatal() or error.code() in HOPELESS or _BAD_CERTIFICATE in error.str()


@dataclass(slots=True)
class ClientErrors:
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
                hint="set sasl.username and sasl.password in kafka.client of the settings",
            )
        brokers = url.removeprefix(_SCHEME).rstrip("/")
        if not all(_is_broker(broker) for broker in brokers.split(",")):
            raise ConfigurationError(f"{url!r} names no Kafka brokers", hint="write kafka://host:9092[,host:9092...]")
        return cls(brokers, settings)

    def client(
        self,
        make: Callable[[dict[str, Any]], _Client],
        client_errors: ClientErrors,
        usual: Mapping[str, Any],
        fixed: Mapping[str, Any],
    ) -> _Client:
        """A client of librdkafka.

        Args:
            make: its class.
            client_errors: told of errors.
            usual: properties that `kafka.client` of the settings may change.
            fixed: properties that what we promise depends on.

        Raises:
            ConfigurationError: librdkafka does not take `kafka.client` of the settings, or we do not.
        """
        self._check_files()
        self._check_changes({"bootstrap.servers": self.brokers, **fixed})
        properties = {
            "client.id": "advertisex",
            **usual,
            **self.settings.client,
            "bootstrap.servers": self.brokers,
            **fixed,
            "error_cb": client_errors,
            "logger": _Quiet(),
        }
        try:
            return make(properties)
        except KafkaException as error:
            reason = kafka_error(error)
            said = self._without_secrets(reason.str() if reason else str(error))
            raise ConfigurationError(
                f"setting kafka.client: {said}", hint="its names and values are librdkafka's"
            ) from None  # which would tell the value

    def _check_files(self) -> None:
        """What librdkafka says of a file that is not there names no file."""
        for name, value in self.settings.client.items():
            if name.endswith(".location") and value != "probe" and not Path(value).exists():
                raise ConfigurationError(
                    f"setting kafka.client: {name}: there is no such file", where=value, hint="name one that is there"
                )

    def _check_changes(self, fixed: Mapping[str, Any]) -> None:
        """A property that would be ignored without a word is refused."""
        for name, value in self.settings.client.items():
            if name in fixed and value.lower() != str(fixed[name]).lower():
                raise ConfigurationError(
                    f"setting kafka.client: {name} cannot be changed: what we promise depends on it",
                    hint=_INSTEAD.get(name, "leave it out"),
                )

    def failure(
        self, what: str, error: KafkaError | Exception, client_errors: ClientErrors | None = None, *, where: str = ""
    ) -> LogError:
        """What failed, why, and the mend.

        Args:
            what: the failure.
            error: as librdkafka told it.
            client_errors: of the client; says why where the error is a mere time-out.
            where: a place in the log; the brokers are added.
        """
        reason = kafka_error(error)
        if client_errors and client_errors.last and (reason is None or reason.code() in _VAGUE):
            reason = client_errors.last
        said = self._without_secrets(reason.str() if reason else str(error))
        if reason and reason.code() == KafkaError._ALL_BROKERS_DOWN:
            said = "it hangs up"  # nothing was said of a single broker: each could be connected to
        if reason and _NO_KAFKA in reason.str():
            said = "what answers there does not speak as Kafka does"
        place = f"{where} at {self.brokers}" if where else self.brokers
        return LogError(f"{what}: {said}", where=place, hint=_hint(reason) if reason else "")

    def _without_secrets(self, text: str) -> str:
        for secret in sorted(self.settings.client.values(), key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET and secret not in _WORDS:
                text = text.replace(secret, "***")
        return text


_INSTEAD = {"bootstrap.servers": "name the brokers with --log", "group.id": "set kafka.group"}

_VAGUE = frozenset({
    KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._MSG_TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
})  # fmt: skip


def _is_broker(text: str) -> bool:
    found = _BROKER.fullmatch(text)
    return found is not None and 0 < int(found[2] or 9092) <= _LAST_PORT


def _hint(error: KafkaError) -> str:
    if _NO_KAFKA in error.str():
        return (
            "check the host and port of --log; if it is Kafka, check security.protocol in kafka.client of the settings"
        )
    if _BAD_CERTIFICATE in error.str():
        return (
            "name the PEM file of the authority in ssl.ca.location in kafka.client of the settings, "
            "and each broker by a name that its certificate has"
        )
    if error.code() == KafkaError._TRANSPORT and "SSL" in error.str():  # it went while TLS was being agreed on
        return "check that Kafka runs there, and security.protocol in kafka.client of the settings"
    return _HINTS.get(error.code(), "")


def kafka_error(error: KafkaError | Exception) -> KafkaError | None:
    """The error of librdkafka that an exception carries, if it does."""
    if isinstance(error, KafkaException):
        error = error.args[0]
    return error if isinstance(error, KafkaError) else None
