"""The settings of topics, as the brokers describe them."""

from collections.abc import Collection

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # not in its stubs

from advertisex.logs.kafka.client import Cluster, kafka_error

#: Errors that leave a topic without a description; the last one means that it was just created or deleted.
_NOT_DESCRIBED = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
})  # fmt: skip


def described(cluster: Cluster, admin: AdminClient, topics: Collection[str]) -> dict[str, dict[str, str] | None]:
    """Return the settings of each topic, by name; None for those that the user may not describe.

    Raises:
        KafkaException: they cannot be read.
    """
    found: dict[str, dict[str, str] | None] = {}
    if not topics:
        return found
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
    for resource, answer in admin.describe_configs(resources, request_timeout=cluster.timeouts.request).items():
        try:
            found[resource.name] = {name: entry.value or "" for name, entry in answer.result().items()}
        except KafkaException as error:
            reason = kafka_error(error)
            if reason is None or reason.code() not in _NOT_DESCRIBED:
                raise
            found[resource.name] = None
    return found
