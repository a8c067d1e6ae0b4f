"""The members of the consumer group that hold partitions."""

import logging
from collections.abc import Collection
from typing import NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from advertisex.logs.kafka.client import CLIENT_ID, Cluster, kafka_error
from advertisex.logs.kafka.reasons import reason_text
from advertisex.model import Partition

_DEBUG = logging.getLogger(__name__)


class Holder(NamedTuple):
    """The group member that a partition is assigned to.

    Attributes:
        name: its client id and host.
        is_ours: whether it has the client id of our processes.
    """

    name: str
    is_ours: bool


def holders_of(
    admin: AdminClient, cluster: Cluster, partitions: Collection[Partition]
) -> dict[Partition, Holder] | None:
    """Return the members that these partitions are assigned to, if any; None if Kafka does not say it."""
    group, client = cluster.settings.group, cluster.settings.client.get("client.id", CLIENT_ID)
    try:
        answers = admin.describe_consumer_groups([group], request_timeout=cluster.timeouts.request)
        members = answers[group].result().members
    except KafkaException as error:
        reason = kafka_error(error)
        _DEBUG.debug("cannot describe the consumer group: %s", reason_text(reason) if reason else "unknown error")
        return None
    return {
        partition: Holder(f"client {member.client_id} at {member.host.strip('/')}", member.client_id == client)
        for member in members
        for assigned in (member.assignment.topic_partitions if member.assignment else ())
        if (partition := Partition(assigned.topic, assigned.partition)) in partitions
    }
