"""The commands `advertisex anomalies` and `advertisex alerts`."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from advertisex.cli.alerts import app
from advertisex.monitoring.channels import channels_of
from advertisex.monitoring.monitor import Monitor
from advertisex.settings.alerts import AlertSettings
from tests.monitoring.receivers import free_port, hanging, webhook
from tests.monitoring.simulated_store import BUCKET, Traffic, World
from tests.warm import program

CONFIG = '[alerts]\nbucket = "PT3H"\nchannels = ["json://ops:secretword@127.0.0.1:{port}/hooks/secretpath?cto=1"]\n'


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of five days; on the last one, clicks are rejected and then bids stop."""
    folder = tmp_path_factory.mktemp("data")
    world = World(folder / "store.duckdb", seed=5)
    world.play(4 * 8)
    world.play(2, replace(Traffic(), rejects=0.95, only="clicks"))
    world.play(3, Traffic().with_rate("bids", 0))
    settings = AlertSettings(bucket=BUCKET, channels=(SecretStr(f"json://127.0.0.1:{free_port()}/?cto=1"),))
    monitor = Monitor(world.store, settings)
    for after in range(4, -1, -1):
        at = world.now - after * BUCKET + timedelta(seconds=40)
        monitor.check(at, at)
    monitor.close(at, wait=0.0)
    world.store.close()
    return folder


def run(data: Path, *arguments: str, port: int = 1) -> subprocess.CompletedProcess[str]:
    config = data / "advertisex.toml"
    config.write_text(CONFIG.format(port=port), encoding="utf-8")
    return subprocess.run(
        [program(), *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        check=False,
        timeout=60,
    )


def document(data: Path, *arguments: str) -> Any:
    done = run(data, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout
    return json.loads(done.stdout)


def test_anomalies_are_shown_with_the_expected_values(data: Path) -> None:
    found = document(data, "anomalies")
    by = {(a["metric"], a["feed"]): a for a in reversed(found["anomalies"]) if a["campaign"] is None}
    rejects = by["reject_share", "clicks"]
    assert rejects["value"] > 0.3  # over the last 200 messages
    assert rejects["expected"] == pytest.approx(0.01, abs=0.01)
    assert rejects["value"] > rejects["high"]
    assert by["silence", "bids"]["value"] == 0
    assert by["silence", "bids"]["expected"] > 50
    assert found["found"] == len(found["anomalies"])
    assert found["evaluated"] < found["values"]
    assert {a["bucket"] for a in found["anomalies"]} <= {f"2026-03-06T{hour:02}:00:00Z" for hour in range(0, 15, 3)}, (
        "only the incidents"
    )

    shown = run(data, "anomalies").stdout
    assert "reject_share" in shown
    assert "values in buckets of 180 min" in shown


def test_anomalies_can_be_filtered(data: Path) -> None:
    every = document(data, "anomalies")["found"]
    assert {a["feed"] for a in document(data, "anomalies", "--feed", "bids")["anomalies"]} == {"bids"}
    assert {a["campaign"] for a in document(data, "anomalies", "--campaign", "k0")["anomalies"]} == {"k0"}
    early = document(data, "anomalies", "--until", "2026-03-06T06:00:00Z")
    late = document(data, "anomalies", "--since", "2026-03-06T06:00:00Z")
    assert early["found"] + late["found"] == every
    assert len(document(data, "anomalies", "--limit", "1")["anomalies"]) == 1
    assert document(data, "anomalies", "--bucket", "6h")["bucket_seconds"] == 6 * 3600


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["anomalies", "--bucket", "7m"], "'7m' is not a valid bucket length; use whole minutes that divide a day"),
        (["anomalies", "--feed", "nosuch"], "unknown feed 'nosuch'"),
        (["anomalies", "--since", "2026-03-09"], "the range contains no complete bucket"),
    ],
)
def test_a_usage_error_is_one_line(data: Path, arguments: list[str], error: str) -> None:
    done = run(data, *arguments)
    assert done.returncode == 2
    assert error in done.stderr
    assert done.stderr.count("\n") == 1


def test_alerts_are_listed_with_the_notified_channels_and_no_secret(data: Path) -> None:
    found = document(data, "alerts", "list")
    (silence,) = [a for a in found["alerts"] if a["rule"] == "silence"]
    assert (silence["status"], silence["severity"], silence["feed"]) == ("firing", "critical", "bids")
    assert silence["since"] == "2026-03-06T06:00:00Z"
    assert found["evaluated_until"] == "2026-03-06T15:00:00Z"
    assert found["channels"] == ["json://ops:****@127.0.0.1:1"]
    assert {a["status"] for a in found["alerts"]} <= {"firing", "pending"}

    every = document(data, "alerts", "list", "--all")["alerts"]
    resolved = {a["rule"] for a in every if a["status"] == "resolved"}
    assert {"rejects", "mostly_rejected"} <= resolved

    shown = run(data, "alerts", "list").stdout
    assert "silence" in shown
    assert "nobody" in shown
    assert "secret" not in shown


def test_a_test_notice_reports_the_result_of_each_channel(data: Path) -> None:
    with webhook() as hook:
        done = run(data, "alerts", "test", port=hook.port)
        assert (done.returncode, done.stderr) == (0, "")
        assert "ok  json://ops:****@127.0.0.1" in done.stdout
        assert [one["title"] for one in hook.got] == ["AdvertiseX: test notice"]

        hook.status = 500
        done = run(data, "alerts", "test", "--json", port=hook.port)
        assert done.returncode == 1
        (channel,) = json.loads(done.stdout)["channels"]
        assert channel["sent"] is False
        assert "500" in channel["failure"]
        assert "secret" not in done.stdout + done.stderr


def test_channels_that_do_not_answer_are_reported_together_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advertisex.cli.alerts.channels_of", partial(channels_of, seconds=0.5))
    with hanging("never answers") as server, hanging("never answers") as other, webhook() as hook:
        config = tmp_path / "advertisex.toml"
        config.write_text(f"[alerts]\nchannels = {json.dumps([server.url, other.url, hook.url])}\n", encoding="utf-8")
        done = CliRunner().invoke(app, ["test", "--config", str(config)])
    assert done.exit_code == 1
    bad, second, good = done.output.splitlines()
    assert bad.startswith("bad json://user:****@127.0.0.1")
    assert bad.endswith("could not send the notice: no response within 0.5 s")
    assert second.startswith("bad")
    assert good.startswith("ok ")
    assert "secret" not in done.output


def test_a_missing_channel_or_store_is_an_error(tmp_path: Path, data: Path) -> None:
    shutil.copy(data / "store.duckdb", tmp_path / "store.duckdb")
    done = subprocess.run(
        [program(), "alerts", "test", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "error: no alert channels configured; add some to alerts.channels in the settings\n"
    (tmp_path / "nothing").mkdir()
    done = run(tmp_path / "nothing", "alerts", "list")
    assert done.returncode == 1
    assert "nothing has been stored yet" in done.stderr
