"""Saved reports: the answers of their questions, errors with their place, ranges that move, files on schedule."""

import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from advertisex.cli.reports import reporting
from advertisex.cli.reports.ranges import days_of, time_of
from advertisex.errors import AdvertiseXError, ConfigurationError
from tests.cli.conftest import commands_in, run

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
SETTINGS = """
[reports.campaigns]
question = "performance"
by = "campaign_id"
since = 2026-01-05
until = 2026-01-07
where = { conversion_type = "purchase" }
formats = ["csv", "json"]

[reports.models]
question = "attribution"
model = ["last", "linear"]
click_window = "7d"
split_journeys = true
valid_only = false
until = "-1h"

[reports.nothing]
question = "summary"
range = "last_week"
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    with commands_in(folder):
        run("ingest", "impressions", str(SAMPLES / "metrics_impressions.ndjson"))
        run("ingest", "clicks", str(SAMPLES / "metrics_clicks.csv"))
        run("process", "--catalogue", str(SAMPLES / "catalogue.csv"))
    return folder


@pytest.fixture(autouse=True)
def settings(shop: Path) -> Iterator[Path]:
    file = shop / "advertisex.toml"
    file.write_text(SETTINGS)
    with commands_in(shop):
        yield file


def document(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


QUESTIONS = {
    "campaigns": [
        "performance", "--by", "campaign_id", "--since", "2026-01-05", "--until", "2026-01-07", "--where",
        "conversion_type=purchase",
    ],
    "models": [
        "attribution", "--model", "last", "--model", "linear", "--click-window", "7d", "--split-journeys",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_report_answers_like_its_question(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("report", name, "--json") == 0
    found = document(capfd.readouterr().out)
    assert run("analyze", *QUESTIONS[name], "--json") == 0
    expected = document(capfd.readouterr().out)

    for one in (found, expected):
        del one["range"]["until"], one["range"]["as_of"]
    assert found == expected


def test_reports_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    run("report", "--json")
    assert [one["name"] for one in document(capfd.readouterr().out)["reports"]] == ["campaigns", "models", "nothing"]
    run("report")
    assert "split_journeys true" in " ".join(capfd.readouterr().out.split())


@pytest.mark.parametrize(
    ("lines", "line", "what"),
    [
        ('question = "funel"', 2, "unknown question 'funel'"),
        ('question = "funnel"\nby = "planet"', 3, "impressions have no field 'planet'"),
        ('question = "funnel"\nbuy = "day"', 3, "a report of funnel has no option 'buy'"),
        ('question = "funnel"\nhtml = "page.html"', 3, "has no option 'html'"),
        ('question = "funnel"\nrates = "rates.csv"', 3, "has no option 'rates'"),
        ('question = "funnel"\nsince = "yesterday"', 3, "'yesterday' is not a valid date"),
        ('question = "funnel"\nsince = "-soon"', 3, "'-soon' is not a valid time"),
        ('question = "funnel"\nzone = "Mars"\nrange = "yesterday"', 3, "unknown time zone 'Mars'"),
        ('question = "funnel"\nsince = 2026-01-05\nrange = "yesterday"', 3, "the report has a range"),
        ('question = "funnel"\nvalid_only = "yes"', 3, "expected true or false"),
        ('question = "funnel"\nby = true', 3, "expected text or a number"),
        ('question = "quality"\nlimit = "many"', 3, "many"),
        ('question = "funnel"\nwhere = { planet = "x" }', 3, "no field 'planet'"),
        ('question = "attribution"\nmodel = ["last", "next"]', 3, "unknown value 'next'"),
        ('question = "funnel"\nrange = "tomorrow"', 3, "reports.daily.range"),
        ('by = "day"', 1, "reports.daily.question"),
        ('question = "funnel"\nformats = []', 3, "reports.daily.formats"),
    ],
)
def test_a_wrong_option_names_its_line(
    settings: Path, capfd: pytest.CaptureFixture[str], lines: str, line: int, what: str
) -> None:
    settings.write_text(f"[reports.daily]\n{lines}\n")

    assert run("report", "daily") == 2

    said = capfd.readouterr().err
    assert what in said
    assert f"advertisex.toml:{line}" in said
    assert "\n" not in said.strip()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--every", "1d"], "--every requires --out"),
        (["campaigns", "--out", "absent"], "no such folder"),
        (["campaigns", "--out", ".", "--every", "0s"], "--every"),
        (["campaigns", "--out", ".", "--csv"], "--csv and --out contradict each other"),
        (["campaigns", "--csv", "--json"], "use only one of them"),
        (["--csv"], "the name of the report is missing"),
        (["other"], "unknown report 'other'; use one of campaigns, models, nothing"),
    ],
)
def test_wrong_usage(capfd: pytest.CaptureFixture[str], words: list[str], what: str) -> None:
    assert run("report", *words) == 2
    assert what in capfd.readouterr().err


def test_files_are_written_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = [f"campaigns_2026-01-05_2026-01-07.{suffix}" for suffix in ("csv", "json")]

    assert run("report", "campaigns", "--out", str(tmp_path)) == 0
    assert [f"wrote {tmp_path / name}" for name in names] == capfd.readouterr().err.split("\n")[:2]
    (tmp_path / names[0]).write_text("kept")
    assert run("report", "campaigns", "--out", str(tmp_path)) == 0
    assert f"already written: {tmp_path / names[0]}" in capfd.readouterr().err

    assert (tmp_path / names[0]).read_text() == "kept"
    assert document((tmp_path / names[1]).read_text())["question"] == "performance"
    assert sorted(file.name for file in tmp_path.iterdir()) == names


def test_the_name_has_the_time_if_the_range_is_not_over(tmp_path: Path) -> None:
    assert run("report", "models", "--out", str(tmp_path)) == 0

    (file,) = tmp_path.iterdir()
    assert re.fullmatch(r"models_\d{8}T\d{6}Z\.csv", file.name)


def test_it_goes_on_after_a_failed_run_until_it_is_interrupted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, calls = reporting.answered, []

    def failing_first(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 1:
            raise AdvertiseXError("the server is down", where="here")
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return answered(*arguments)

    monkeypatch.setattr(reporting, "answered", failing_first)
    assert run("report", "campaigns", "--out", str(tmp_path), "--every", "1ms") == 0

    said = capfd.readouterr().err
    failed = document(next(line for line in said.splitlines() if line.startswith("{")))
    assert (failed["level"], failed["report"], failed["why"]) == ("error", "campaigns", "the server is down")
    assert said.count("wrote") == said.count("already written") == 2
    assert len(calls) == 3


@pytest.mark.parametrize(
    ("name", "days"),
    [
        ("yesterday", ("2026-02-28", "2026-03-01")),
        ("last_week", ("2026-02-16", "2026-02-23")),
        ("last_month", ("2026-02-01", "2026-03-01")),
        ("this_month", ("2026-03-01", "2026-03-02")),
    ],
)
def test_ranges_are_whole_days_of_the_zone(name: Any, days: tuple[str, str]) -> None:
    assert days_of(name, "Europe/Paris", datetime(2026, 2, 28, 23, 30)) == days  # 1 March in Paris, a Sunday


def test_relative_times() -> None:
    now = datetime(2026, 3, 1, 12, 0, 0, 7)

    assert time_of("-7d", "--since", now) == "2026-02-22T12:00:00Z"
    assert time_of("2026-01-05", "--since", now) == "2026-01-05"
    for wrong in ("-", "-7", "--7d", f"-{timedelta.max.days}d"):
        with pytest.raises(ConfigurationError, match="is not a valid time"):
            time_of(wrong, "--since", now)
