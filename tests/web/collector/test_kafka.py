"""The collector over Kafka."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

from advertisex.logs.open import open_log
from advertisex.model import Position, SourceLine
from advertisex.settings.model import KafkaSettings
from tests.processing.messages import message
from tests.web.collector.places import NDJSON, collecting_into


def test_positions_are_those_of_the_events_in_the_brokers(kafka: str, tmp_path: Path) -> None:
    topic = f"collected-{uuid4().hex}"
    sent = [[message("clicks", user_id=f"{request}-{number}") for number in range(20)] for request in range(8)]
    settings = {"data": tmp_path, "feeds": {"clicks": {"topic": topic}}, "collector": {}}
    with open_log(kafka, kafka=KafkaSettings(partitions=3)) as log, collecting_into(log, settings) as client:

        def post(events: list[bytes]) -> Any:
            return client.post("/v1/events/clicks", content=b"\n".join(events), headers={"Content-Type": NDJSON}).json()

        with ThreadPoolExecutor(len(sent)) as pool:
            found = [positions_in(response) for response in pool.map(post, sent)]

        in_log = {
            Position(topic, partition, offset): one
            for partition in log.partitions(topic)
            for batch in [log.read(topic, partition, 0, 1_000)]
            for offset, one in zip(batch.offsets, batch.payloads, strict=True)
        }
        assert [[in_log[position] for position in positions] for positions in found] == sent
        assert set(Counter(in_log.values()).values()) == {1}
        assert log.origin(found[0][4]) == SourceLine("POST /v1/events/clicks", 5)


def positions_in(response: Any) -> list[Position]:
    return [
        Position(run["topic"], run["partition"], offset)
        for run in response["positions"]
        for offset in range(run["first_offset"], run["last_offset"] + 1)
    ]
