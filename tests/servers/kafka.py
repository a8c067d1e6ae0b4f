"""Runs a real Kafka on this machine: one process as combined broker and controller."""

import base64
import os
import secrets
import subprocess
import uuid
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.servers.artifacts import KAFKA_JAVA, kafka_jars
from tests.servers.errors import ServerError
from tests.servers.java import find_java
from tests.servers.local_server import HOST, QUICK, LocalServer, free_port
from tests.servers.process import ServerProcess
from tests.servers.tls import Tls

USER = "advertisex"
_MECHANISM = "SCRAM-SHA-512"
_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule"


class LocalKafka(LocalServer):
    """A Kafka broker for tests: `with LocalKafka() as kafka: ... kafka.url`.

    Settings are Kafka's defaults, except: topics are not created automatically; rebalance delays and minimum session
    timeouts are lowered so that tests do not wait; messages may be up to 64 MiB.

    Args:
        folder: folder for its data, kept between runs; by default a temporary folder that `close` removes.
        port: port on 127.0.0.1; by default a free one.
        heap: size of the Java heap, such as `512m`.
        quick: see `LocalServer`.
        tls: certificate files; the broker then serves TLS only (SASL_SSL) and requires authentication. `.client` has
            the settings for clients.
    """

    name = "Kafka"

    def __init__(
        self,
        *,
        folder: Path | None = None,
        port: int | None = None,
        heap: str = "512m",
        quick: bool = True,
        tls: Tls | None = None,
    ) -> None:
        super().__init__(folder=folder, port=port, heap=heap, quick=quick)
        self._tls = tls
        self.password = secrets.token_urlsafe(18) if tls else ""

    @property
    def client(self) -> dict[str, str]:
        """The librdkafka properties that a client needs, in the format of the setting `kafka.client`."""
        if self._tls is None:
            return {}
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": _MECHANISM,
            "sasl.username": USER,
            "sasl.password": self.password,
            "ssl.ca.location": str(self._tls.authority),
        }

    @property
    def url(self) -> str:
        """The URL for `--log`."""
        return f"kafka://{HOST}:{self.port}"

    @property
    def bootstrap(self) -> str:
        """The address for `bootstrap.servers`."""
        return f"{HOST}:{self.port}"

    def _prepare(self) -> None:
        settings = self.folder / "server.properties"
        if not settings.exists() or self._port_in(settings) != self.port:
            settings.write_text(self._settings(free_port()))
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(settings)

    def _port_in(self, settings: Path) -> int:
        advertised = next(
            line for line in settings.read_text().splitlines() if line.startswith("advertised.listeners=")
        )
        return int(advertised.rpartition(":")[2])

    def _settings(self, controller: int) -> str:
        protocol = "SASL_SSL" if self._tls else "PLAINTEXT"
        lines = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "listeners": f"{protocol}://{HOST}:{self.port},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"{protocol}://{HOST}:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": f"{protocol}:{protocol},CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": protocol,
            **(self._tls_settings(self._tls) if self._tls else {}),
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "num.partitions": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "broker.heartbeat.interval.ms": 500,
            "broker.session.timeout.ms": 3000,  # a killed broker cannot rejoin before this
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 500,
            "group.consumer.min.session.timeout.ms": 500,
            "group.consumer.min.heartbeat.interval.ms": 100,
            "message.max.bytes": 64 << 20,
            "replica.fetch.max.bytes": 64 << 20,
            "socket.request.max.bytes": 128 << 20,
        }
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def _tls_settings(self, tls: Tls) -> dict[str, object]:
        """Settings for TLS and SCRAM; the broker connects to itself as the same user."""
        keystore = self.folder / "broker.pem"
        keystore.touch(mode=0o600)
        keystore.write_text(tls.key.read_text() + tls.certificate.read_text())
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": keystore,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": tls.authority,
            "sasl.enabled.mechanisms": _MECHANISM,
            "sasl.mechanism.inter.broker.protocol": _MECHANISM,
            f"listener.name.sasl_ssl.{_MECHANISM.lower()}.sasl.jaas.config": (
                f'{_LOGIN} required username="{USER}" password="{self.password}";'
            ),
        }

    def _java(self, *arguments: str) -> list[str]:
        java = find_java(KAFKA_JAVA, "Kafka") / "bin" / "java"
        return [str(java), "-cp", f"{kafka_jars()}/*", "-Dlog4j2.level=WARN", *arguments]

    def _format(self, settings: Path) -> None:
        identity = b"\x00" + uuid.uuid4().bytes[1:]  # its base64 must not start with a dash
        cluster = base64.urlsafe_b64encode(identity).decode().rstrip("=")
        credentials = f"{_MECHANISM}=[name={USER},password={self.password}]"
        user = ["--add-scram", credentials] if self._tls else []
        formatted = subprocess.run(
            self._java(*QUICK, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings), *user),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if formatted.returncode:
            raise ServerError(
                f"could not format Kafka's storage: {formatted.stdout.strip()[-400:]}", where=str(self.folder)
            )

    def _launch(self) -> ServerProcess:
        return ServerProcess(
            self._java(*self.java_options, "kafka.Kafka", str(self.folder / "server.properties")),
            environment=dict(os.environ),
            folder=self.folder,
            output=self._output,
        )

    def _is_ready(self) -> bool:
        config: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "log_level": 0, "error_cb": lambda _: None}
        admin = AdminClient(config | self.client)
        try:
            cluster = admin.list_topics(timeout=5)
        except KafkaException:
            return False
        return bool(cluster.brokers) and all(
            partition.leader >= 0 for topic in cluster.topics.values() for partition in topic.partitions.values()
        )
