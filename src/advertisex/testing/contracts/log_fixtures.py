"""The fixtures of the log suites."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from advertisex.logs.contract import EventLog

#: Opens the log under test; every call opens the same one.
OpenLog = Callable[[], EventLog]


class LogFixtures:
    """Fixtures built on `open_log`, which the user of a suite defines.

    Attributes:
        durable: whether the log can be reopened after it was closed.
    """

    durable = True

    @pytest.fixture
    def log(self, open_log: OpenLog) -> Iterator[EventLog]:
        """The log under test, open."""
        with open_log() as log:
            yield log

    @pytest.fixture
    def reopen_log(self, open_log: OpenLog) -> OpenLog:
        """Opens the log under test; for tests that do so more than once."""
        if not self.durable:
            pytest.skip("needs a log that can be reopened")
        return open_log

    @pytest.fixture
    def identifies_appends(self) -> bool:
        """Whether the log must return ids of appends: an older copy of it can take its place. Override it then."""
        return False

    @pytest.fixture
    def topic_prefix(self) -> str:
        """Prefix of all topic names; override it to find the topics on a shared server."""
        return "topic-"

    @pytest.fixture
    def new_topic(self, topic_prefix: str) -> Callable[[], str]:
        """Returns the name of a new topic."""
        return lambda: f"{topic_prefix}{uuid4().hex}"

    @pytest.fixture
    def topic(self, new_topic: Callable[[], str]) -> str:
        """The name of a new topic."""
        return new_topic()
