from collections.abc import Iterator

import pytest

from advertisex.logs.contract import EventLog
from advertisex.stores.contract import EventStore
from advertisex.testing import ManualClock, memory_log, memory_store


@pytest.fixture
def log(clock: ManualClock) -> Iterator[EventLog]:
    with memory_log(clock=clock.now) as log:
        yield log


@pytest.fixture
def store() -> Iterator[EventStore]:
    with memory_store() as store:
        yield store
