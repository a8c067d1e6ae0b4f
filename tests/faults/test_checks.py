"""A campaign finds what is wrong: each difference from an undisturbed run, and each bad end of a command."""

import signal
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from advertisex.model import Counts
from tests.faults.checks import PEAK_BYTES, Result, differences, problems_of
from tests.faults.pairs import Embedded
from tests.faults.workload import workload
from tests.faults.world import SECRET, Ended, World

_ENDED = Ended("process", 0, "", "", 1, 1.0, 1, frozenset())
_REJECTS = pl.DataFrame(
    {
        "topic": ["t", "t"],
        "partition": [0, 0],
        "offset": [1, 2],
        "feed": ["clicks", "clicks"],
        "kind": ["rejected", "rejected"],
        "reason": ["bad_timestamp", "bad_timestamp"],
        "payload": [b"a", b"b"],
    }
)
_EXPECTED = Result(
    {"clicks": [b"1", b"2"]},
    _REJECTS,
    {"clicks": Counts(read=4, stored=2, rejected=2)},
    {"clicks": 4},
    {"summary": '{"clicks": 2}'},
    {"data/log.db"},
    [],
)
_APPENDED_TWICE = replace(
    _EXPECTED,
    rejects=pl.concat([_REJECTS, _REJECTS.with_columns(offset=pl.col("offset") + 4)]),
    counts={"clicks": Counts(read=8, stored=2, duplicate=2, rejected=4)},
    ends={"clicks": 8},
)
_WRONG = {
    "1 events are lost": replace(_EXPECTED, ids={"clicks": [b"1"]}),
    "1 are extra": replace(_EXPECTED, ids={"clicks": [b"1", b"2", b"3"]}),
    "1 events are stored twice": replace(_EXPECTED, ids={"clicks": [b"1", b"2", b"2"]}),
    "1 rejects are lost": replace(_EXPECTED, rejects=_REJECTS.head(1)),
    "1 rejects are extra": replace(
        _EXPECTED, rejects=pl.concat([_REJECTS, _REJECTS.head(1).with_columns(offset=pl.col("offset") + 2)])
    ),
    "1 rejects are stored twice": replace(_APPENDED_TWICE, rejects=pl.concat([_REJECTS, _REJECTS.head(1)])),
    "were counted as": replace(_EXPECTED, counts={"clicks": Counts(read=4, stored=1, duplicate=1, rejected=2)}),
    "the answer to summary differs": replace(_EXPECTED, answers={"summary": '{"clicks": 3}'}),
    "files are left over: tmp/spool": replace(_EXPECTED, files={"data/log.db", "tmp/spool"}),
    "the ledger does not balance": replace(_EXPECTED, ledger=["the ledger does not balance"]),
}
_BAD_ENDS = {
    "exit code -9": replace(_ENDED, code=-9),
    "exit code 130": replace(_ENDED, code=130, signals=frozenset({signal.SIGKILL})),
    "exit code 3": replace(_ENDED, code=3),
    "Traceback": replace(_ENDED, code=1, err="Traceback (most recent call last)"),
    "printed a secret": replace(_ENDED, out=f"token={SECRET}-header"),
    "needed 9": replace(_ENDED, peak=PEAK_BYTES + 1),
    "failed without a message": replace(_ENDED, code=1),
}


@pytest.mark.parametrize("found", [_EXPECTED, _APPENDED_TWICE])
def test_equal_runs_have_no_difference(found: Result) -> None:
    assert list(differences(found, _EXPECTED)) == []


@pytest.mark.parametrize("problem", _WRONG)
def test_each_difference_is_found(problem: str) -> None:
    assert any(problem in text for text in differences(_WRONG[problem], _EXPECTED))


@pytest.mark.parametrize("problem", _BAD_ENDS)
def test_each_bad_end_is_found(problem: str) -> None:
    assert any(problem in text for text in problems_of(_BAD_ENDS[problem]))


def test_what_was_signalled_may_end_by_it() -> None:
    killed, interrupted = frozenset({signal.SIGKILL}), frozenset({signal.SIGTERM})
    ends = [replace(_ENDED, code=-9, signals=killed), replace(_ENDED, code=130, signals=interrupted)]
    assert [problem for ended in ends for problem in problems_of(ended)] == []


def test_the_settings_of_a_round_have_secrets(tmp_path: Path) -> None:
    with World(tmp_path / "round", workload(1), Embedded(), "1") as world:
        assert (world.folder / "advertisex.toml").read_text().count(SECRET) == 3
