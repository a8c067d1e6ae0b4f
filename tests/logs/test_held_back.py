"""How messages that open transactions hold back are shown: the same in `doctor` and in warnings."""

from datetime import datetime

import pytest
from structlog.testing import capture_logs

from advertisex.logs.contract import HeldBack
from advertisex.logs.held_back import HINT, transaction_findings
from advertisex.model import Partition
from advertisex.processing.transaction_warnings import warn_of_held_back
from advertisex.testing import memory_log
from advertisex.times import micros_of

BEGAN = micros_of(datetime(2026, 11, 29, 12))
MINUTE = 60_000_000
AT = Partition("t", 0)


@pytest.mark.parametrize(
    ("since", "now", "good"),
    [(BEGAN, BEGAN + MINUTE, True), (BEGAN, BEGAN + MINUTE + 1, False), (None, BEGAN, False)],
)
def test_a_transaction_is_a_problem_after_a_minute(since: int | None, now: int, good: bool) -> None:
    (finding,) = transaction_findings({AT: HeldBack(1_234, since)}, now)

    assert (finding.good, finding.hint) == (good, HINT)
    assert "t/0 at most 1,234 since " in finding.detail
    assert transaction_findings({}, now) == []


def test_a_warning_shows_what_doctor_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    with memory_log() as log, capture_logs() as logged:
        monkeypatch.setattr(type(log), "held_back", lambda self, topics: {AT: HeldBack(2, BEGAN)})
        warn_of_held_back(log, ["t"])
        (finding,) = transaction_findings(log.held_back(["t"]), BEGAN)

    (line,) = logged
    assert (line["partition"], line["at_most"], line["hint"]) == ("t/0", 2, HINT)
    assert line["since"] == "2026-11-29 12:00:00 UTC"
    assert line["since"] in finding.detail
