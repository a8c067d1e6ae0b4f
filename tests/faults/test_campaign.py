"""The program: it cleans up when it is interrupted, and is not content with having done nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.traffic import wait_until
from tests.faults.report import Report

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_campaign_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "FAULTS_PAIRS": "embedded", "FAULTS_MINUTES": "5"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as campaign:
        wait_until(lambda: any(tmp_path.glob("advertisex-faults-*/*/out/*.out")), "a command runs")
        for _ in range(2):  # a second one does not stop the clean-up
            os.killpg(campaign.pid, number)
        out, _ = campaign.communicate(timeout=60)
    assert campaign.returncode == 130
    assert out.decode().splitlines()[1:] == ["faults: interrupted"]
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def test_a_campaign_that_did_nothing_is_not_successful() -> None:
    report = Report()
    assert report.lacking(["embedded", "servers", "embedded"]) == [
        "a round under faults on embedded",
        "a SIGKILL on embedded",
        "a round under faults on servers",
        "a SIGKILL on servers",
        "a rebalance",
    ]
    report.rounds["embedded"] = report.kills["embedded"] = 1
    assert report.lacking(["embedded"]) == []
