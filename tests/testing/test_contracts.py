"""The contract suites in the hands of a user: they find what a store or a log does wrong, and say what they need."""

import subprocess
import sys
from pathlib import Path

OWN_TESTS = '''
from dataclasses import replace
from pathlib import Path

import pytest

from advertisex.logs.sqlite.log import SqliteLog
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.testing.contracts import EventLogContract, EventStoreContract


class ForgetfulStore(DuckdbStore):
    """Keeps filtered messages, but no rejected ones."""

    def commit(self, outcome):
        counts = super().commit(outcome)
        self._db.execute("DELETE FROM rejects WHERE kind = 'rejected'")
        return counts


class ImpatientLog(SqliteLog):
    """Reads one message too many."""

    def read(self, topic, partition, offset, limit):
        return super().read(topic, partition, offset, limit + 1)


class AnonymousLog(SqliteLog):
    """Does not identify its appends."""

    def read(self, topic, partition, offset, limit):
        return replace(super().read(topic, partition, offset, limit), append_id="")

    def append_ids(self, ends):
        return {}


class TestForgetfulStore(EventStoreContract):
    durable = False

    @pytest.fixture
    def new_store(self):
        return lambda: lambda read_only=False: ForgetfulStore(Path(":memory:"), read_only=read_only)


class TestImpatientLog(EventLogContract):
    durable = False

    @pytest.fixture
    def open_log(self):
        return lambda: ImpatientLog(Path(":memory:"))


class TestAnonymousLog(EventLogContract):
    durable = False

    @pytest.fixture
    def open_log(self):
        return lambda: AnonymousLog(Path(":memory:"))

    @pytest.fixture
    def identifies_appends(self):
        return True
'''


def test_the_suites_find_the_faults_of_a_store_and_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(OWN_TESTS)

    tests = "stored_together or adds_up_over or exceeds_its_limit or empty_messages or id_of_an_append"
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_own.py", "-k", tests],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 1, ended.stdout
    failed = {line.split("::")[2].split()[0] for line in ended.stdout.splitlines() if line.startswith("FAILED ")}
    assert failed == {
        "test_events_rejects_and_the_ledger_are_stored_together",
        "test_a_read_never_exceeds_its_limit_and_the_next_one_continues_where_it_ended",
        "test_the_id_of_an_append_identifies_its_messages_whatever_is_erased",
    }
    assert "4 failed, 4 passed" in ended.stdout
    assert "assert [2] == [1, 2]" in ended.stdout  # pytest explains the assertions of the suites


def test_without_its_extra_a_suite_names_the_extra() -> None:
    script = "import sys; sys.modules['hypothesis'] = None; import advertisex.testing, advertisex.testing.contracts"

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert ended.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: the contract suites need hypothesis: pip install 'advertisex[testing]'"
    )
