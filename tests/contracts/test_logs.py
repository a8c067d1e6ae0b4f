"""The contract of event logs, for every log in `log_places.LOGS` and for the log in memory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from advertisex.errors import LogError
from advertisex.logs.contract import READ_BYTES, EventLog
from advertisex.logs.open import is_embedded
from advertisex.model import Partition
from advertisex.testing import memory_log
from advertisex.testing.contracts import EventLogContract, OpenLog
from advertisex.testing.contracts.log_messages import read_whole
from advertisex.testing.contracts.log_readers import until_caught_up
from advertisex.testing.contracts.log_retention import RemoveBelow, prune_below
from tests.contracts.log_places import LOGS, Place

APPENDS_BATCHES = """
import sys
from advertisex.logs.open import open_log
from advertisex.settings.model import KafkaSettings

url, topic, name = sys.argv[1:]
with open_log(url, kafka=KafkaSettings(partitions=1)) as log:
    print("ready", flush=True)
    sys.stdin.readline()
    for batch in range(40):
        log.append(topic, [b"%s/%d/%d" % (name.encode(), batch, i) for i in range(1 + batch % 7)])
"""


class TestLogs(EventLogContract):
    @pytest.fixture(params=LOGS)
    def place(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
        with LOGS[request.param](request, tmp_path) as made:
            yield made

    @pytest.fixture
    def open_log(self, place: Place) -> OpenLog:
        return place.open

    @pytest.fixture
    def identifies_appends(self, place: Place) -> bool:
        return is_embedded(place.url)

    @pytest.fixture
    def topic_prefix(self, place: Place) -> str:
        return place.prefix

    @pytest.fixture
    def remove_below(self, place: Place) -> RemoveBelow:
        by_server = place.remove_below
        return prune_below if by_server is None else lambda log, topic, offset: by_server(topic, offset)

    def test_a_single_message_may_be_larger_than_the_bound(self, log: EventLog, topic: str, place: Place) -> None:
        place.admit(topic, 2 * READ_BYTES)
        super().test_a_single_message_may_be_larger_than_the_bound(log, topic)

    def test_a_recreated_log_has_another_identity_and_no_state(self, place: Place, topic: str) -> None:
        with place.open() as log:
            log.append(topic, [b"a"], state={f"{topic}/x": b"1"})
            before = log.identities([topic])
        place.remove(topic)
        with place.open() as log:
            log.append(topic, [b"c"])
            assert log.state(topic) == {}
            assert set(log.identities([topic])) == {topic}
            assert log.identities([topic]) != before

    def test_processes_that_append_at_once_lose_nothing_and_keep_their_order(self, place: Place, topic: str) -> None:
        names = ("first", "second", "third", "fourth")
        command = [sys.executable, "-c", APPENDS_BATCHES, place.url, topic]
        workers = [
            subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ)
            for name in names
        ]
        for worker in workers:  # wait until all are ready …
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
        for worker in workers:  # … and start them together
            worker.communicate(b"go\n", timeout=120)
            assert worker.returncode == 0

        with place.open() as log:
            found = [tuple(message.split(b"/")) for message in read_whole(log, topic)]

        for name in names:
            of_one = [(int(batch), int(index)) for who, batch, index in found if who == name.encode()]
            assert of_one == [(batch, index) for batch in range(40) for index in range(1 + batch % 7)]
        if place.whole:
            assert len(list(groupby(found, key=lambda message: message[:2]))) == 40 * len(names)

    def test_a_log_that_cannot_erase_refers_to_the_retention(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"a"])
        if log.erasable:
            log.erase(topic, 0, [0])
            return
        with pytest.raises(LogError, match=r"cannot erase messages.*retention"):
            log.erase(topic, 0, [0])

    def test_a_ledger_beyond_the_end_of_the_log_is_reported_with_both_offsets(self, log: EventLog, topic: str) -> None:
        log.append(topic, [b"0"])
        with (
            log.reader([topic], lambda: {Partition(topic, 0): 7}, 10) as reader,
            pytest.raises(LogError, match="the ledger is at offset 7, but the log ends at 1"),
        ):
            until_caught_up(reader)


class TestMemoryLog(EventLogContract):
    durable = False

    @pytest.fixture
    def open_log(self) -> OpenLog:
        return memory_log

    @pytest.fixture
    def identifies_appends(self) -> bool:
        return True
