"""Rejects compacted topics: Kafka deletes messages of them that were not processed, and nothing shows that."""

from collections.abc import Collection

import structlog
from confluent_kafka.admin import AdminClient

from advertisex.errors import LogError
from advertisex.logs.kafka.client import Cluster
from advertisex.logs.kafka.topic_settings import described
from advertisex.model import Finding

_LOG = structlog.get_logger(__name__)
_COMPACTED = "the topic is compacted: Kafka deletes messages of it before they are processed"
_HINT = "set cleanup.policy=delete on the topic (kafka-configs --alter), or use another topic"
_UNCHECKED = "not checked whether topics are compacted: the user may not describe their settings"


class Compaction:
    """Checks the cleanup policy of topics.

    Args:
        cluster: the Kafka cluster.
        admin: its client.
    """

    def __init__(self, cluster: Cluster, admin: AdminClient) -> None:
        self._cluster, self._admin = cluster, admin
        self._warned = False

    def reject(self, topics: Collection[str]) -> None:
        """Reject compacted topics; a warning names those that the user may not describe.

        Raises:
            LogError: one of the topics is compacted.
            KafkaException: their settings cannot be read.
        """
        compacted, unknown = self._check(topics)
        if compacted:
            raise LogError(_COMPACTED, where=f"{', '.join(compacted)} at {self._cluster.brokers}", hint=_HINT)
        if unknown and not self._warned:
            self._warned = True
            _LOG.warning(_UNCHECKED, topics=", ".join(unknown))

    def findings(self, topics: Collection[str]) -> list[Finding]:
        """Return a finding if a topic is compacted, or not checked.

        Raises:
            KafkaException: their settings cannot be read.
        """
        compacted, unknown = self._check(topics)
        if compacted:
            return [Finding("cleanup policy", False, f"{_COMPACTED} ({', '.join(compacted)})", _HINT)]
        return [Finding("cleanup policy", True, f"{_UNCHECKED} ({', '.join(unknown)})")] if unknown else []

    def _check(self, topics: Collection[str]) -> tuple[list[str], list[str]]:
        """The topics that are compacted, and those that were not checked."""
        found = described(self._cluster, self._admin, topics)
        compacted = [t for t, of in found.items() if of and "compact" in of["cleanup.policy"]]  # also `compact,delete`
        return compacted, [topic for topic, of in found.items() if of is None]
