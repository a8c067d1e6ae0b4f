"""Every benchmark runs, here on tiny input, and counts what it measured. No test asserts a speed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import analysis, cluster, ingest
from tests.budget import thorough

ROOT = Path(__file__).parents[2]


def results(program: str, *arguments: object) -> Any:
    """The JSON that a benchmark prints last."""
    command = [sys.executable, "-m", f"bench.{program}", *map(str, arguments)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("analysis")


def test_the_simulator_is_measured_on_both_media_and_both_encoders() -> None:
    result = results("simulator", "--events", 500, "--rounds", 1)
    assert result["messages"] == {"log": 500, "files": 500}
    assert result["bids"] == 500
    assert list(result["cpu_us_per_bid"]) == ["by column", "fastavro"]


def test_every_event_that_the_collector_acknowledges_is_counted() -> None:
    (result,) = results("collector", "--events", 250, "--batch", 100, "--clients", 2)
    assert (result["events"], result["batch"], result["clients"]) == (250, 100, 2)


@thorough  # what the benchmark counts; the pipeline has tests of its own
def test_every_format_is_ingested_whole_by_this_package_and_by_another() -> None:
    formats = ["csv", "ndjson", "array", "avro"]
    only = [part for case in formats for part in ("--only", case)]
    runs = results("ingest", "--records", 300, "--rounds", 1, "--against", ROOT, *only)
    assert [run["case"] for run in runs] == formats
    assert [run[package]["messages"] for run in runs for package in ("here", "there")] == [300] * 8


@pytest.mark.parametrize("case", ["empty-first", "line-ends", "short"])
def test_csv_with_rows_that_are_not_plain_is_ingested_whole(case: str, tmp_path: Path) -> None:
    ingest.write(case, tmp_path / "clicks.csv", 300)
    assert ingest.measure("clicks", tmp_path / "clicks.csv")["messages"] == 300


@thorough  # what the benchmark counts; the pipeline has tests of its own
def test_the_embedded_pipeline_accounts_for_every_message_of_every_run() -> None:
    runs = results("embedded", "--events", 400, "--history", 600)
    assert [(run["load"], run["messages"], "us_per_message" in run) for run in runs] == [
        ("impressions", 400, True),
        ("impressions", 400, False),
        ("mixed", 400, True),
        ("mixed", 400, False),
        ("impressions", 600, False),
    ]
    assert [run["stored"] for run in runs if run["load"] == "impressions"] == [400, 400, 600]
    stages, whole = (run for run in runs if run["load"] == "mixed")
    assert stages["stored"] == whole["stored"] > 300
    assert whole["stored"] + whole["rejected"] + whole["filtered"] + whole["duplicate"] == 400
    assert {"read", "decode", "standardise", "validate", "filter", "enrich", "identify", "commit"} <= set(
        stages["us_per_message"]
    )


@thorough  # it starts five processes; the questions themselves are measured below
def test_the_analysis_runs_chosen_questions_on_a_store_that_it_builds_once(folder: Path) -> None:
    chosen = ["--impressions", 200, "--folder", folder, "--only", "summary"]
    first, second = results("analysis", *chosen)
    assert [first["question"], second["question"]] == ["summary", "summary by day"]
    assert first["computed_from"] == {"impressions": 200, "clicks": 22, "bids": 40}
    (built,) = folder.glob("*.duckdb")
    before = built.stat().st_mtime_ns
    assert [one["computed_from"] for one in results("analysis", *chosen)] == [first["computed_from"]] * 2
    assert built.stat().st_mtime_ns == before


@pytest.mark.parametrize("question", analysis.QUESTIONS)
def test_every_question_is_answered_from_the_events(folder: Path, question: str) -> None:
    path = folder / "every.duckdb"
    analysis.prepare(path, 200)
    result = analysis.measure(question, path)
    assert sum(result["computed_from"].values()) > 0
    assert result["bytes"] > 100


def test_the_cluster_stores_every_document(kafka: str, elasticsearch: str) -> None:
    result = cluster.measure(kafka, elasticsearch, events=300, rounds=1)
    assert result["events"] == result["documents"] == 300
    assert result["stored"] == [300]
    assert list(result["per_second"]) == ["raw consume", "pipeline, discarded", "raw bulk", "end to end"]


def test_the_retention_of_the_log_is_measured_for_small_and_large_rows_and_an_earlier_version() -> None:
    runs = results("retention", "--megabytes", 17)
    assert len(runs) == 3
    assert all(0 < run["locked"] <= run["seconds"] for run in runs)
