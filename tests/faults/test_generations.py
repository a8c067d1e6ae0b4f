"""Rebalances are counted from Kafka's own records of a group."""

from contextlib import closing
from uuid import uuid4

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic

from tests.cluster.traffic import wait_until
from tests.faults.generations import generations


def member(bootstrap: str, name: str) -> Consumer:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": name})
    consumer.subscribe([name])
    return consumer


def test_each_member_that_joins_or_leaves_is_a_generation(kafka: str) -> None:
    bootstrap, name = kafka.removeprefix("kafka://"), f"t{uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(30)
    with closing(member(bootstrap, name)) as one:

        def shared() -> bool:
            return [len(each.assignment()) for each in (one, other) if each.poll(0.1) is None] == [1, 1]

        wait_until(lambda: one.poll(0.1) is None and len(one.assignment()) == 2, "one member has both partitions")
        assert generations(bootstrap, name) == 1
        with closing(member(bootstrap, name)) as other:
            wait_until(shared, "each member has a partition")
        assert generations(bootstrap, name) == 2
        wait_until(lambda: one.poll(0.1) is None and len(one.assignment()) == 2, "the other one has left")
    assert generations(bootstrap, name) >= 3
    assert generations(bootstrap, f"{name}-unknown") == 0
