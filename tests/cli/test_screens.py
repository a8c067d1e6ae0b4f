"""What commands print on terminals of 60, 80 and 120 columns, compared with the texts in `screens`.

After an intended change, write the texts again, and read the difference:

    KEEP_SCREENS=1 pytest tests/cli/test_screens.py
"""

import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from advertisex.cli import commands, output
from advertisex.inspection import anomalies, doctor
from advertisex.model import Finding
from advertisex.simulator import SimulationSettings, write_files
from tests.cli.conftest import PARTNER, commands_in, printed, run, steady
from tests.cli.terminal import terminal

KEPT = Path(__file__).parent / "screens"
WIDTHS = (60, 80, 120)

#: Lines that are not broken, so that they can be copied: ids, addresses, and messages.
WHOLE = (PARTNER, "https://", "{")

#: Name of the kept text, and the command. Those that change something have a folder of their own.
SCREENS = {
    "ledger": "ledger",
    "sources": "sources",
    "doctor": "doctor",
    "anomalies": "anomalies",
    "alerts": "alerts list",
    "erasures": "erasures",
    "preview": "preview clicks clicks.csv",
    "catalogue-show": "catalogue show --campaign cmp001",
    "catalogue-flights": "catalogue show --flights --campaign cmp001",
    "catalogue-history": "catalogue history",
    "catalogue-diff": "catalogue diff other.csv",
    "rejects-list": "rejects list --limit 8",
    "rejects-list-replayed": "rejects list --replayed",
    "rejects-show": "rejects show ad_impressions/0/26",
    "rejects-replay": "rejects replay --reason bad_website --set website=a.example --dry-run",
    "overview": "overview --campaign cmp001",
    "summary": "analyze summary",
    "correlation": "analyze correlation",
    "funnel": "analyze funnel --by website --since 2026-01-11T15:00:00Z",
    "attribution": "analyze attribution --campaign cmp001 --model first --model linear --model markov",
    "journeys": "analyze journeys --campaign cmp001 --limit 8",
    "reach": "analyze reach --campaign cmp001 --by week",
    "bids": "analyze bids --campaign cmp001 --since 2026-01-11T20:00:00Z",
    "quality": "analyze quality --campaign cmp001",
    "reconcile": "reconcile partner.csv --campaign cmp001 --report-time 2030-01-01 --limit 2",
    "events": "analyze events --of conversions --campaign cmp001 --limit 3",
    "restatement": "analyze restatement --campaign cmp001 --from 2026-01-10 --limit 3",
}

ANOMALIES = pl.DataFrame(
    {
        "bucket": [datetime(2026, 1, 8, 12, 15), datetime(2026, 1, 8, 12, 30)],
        "feed": ["impressions", "clicks"],
        "campaign": [None, "cmp001"],
        "metric": ["volume", "ctr"],
        "value": [12.0, 0.12],
        "expected": [1_234.5, 0.0123],
        "low": [1_001.0, 0.01],
        "high": [None, 0.02],
        "score": [-12.34, 6.7],
        "of": [12.0, 345.0],
        "bad": [True, True],
    }
)


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_versions", lambda: Finding("versions", True, "advertisex 1, Python 3, polars 2"))
    monkeypatch.setattr(anomalies, "flag_anomalies", lambda *_: ANOMALIES)


def check(name: str, screens: str) -> None:
    """Compare screens with the kept text, or keep them."""
    kept = KEPT / f"{name}.txt"
    screens = screens.replace(sqlite3.sqlite_version, "3").replace(duckdb.__version__, "2")
    if os.environ.get("KEEP_SCREENS"):
        kept.write_text(screens, encoding="utf-8")
    assert screens == kept.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SCREENS)
def test_screens_have_the_kept_text_and_fit(name: str, folder: Path) -> None:
    screens, wide = list[str](), list[str]()
    for width in WIDTHS:
        text = steady(printed(width, *SCREENS[name].split()))
        screens.append(f"{f' {width} columns '.center(width, '-')}\n{text}")
        wide += [line for line in text.splitlines() if len(line) > width and not line.startswith(WHOLE)]
    check(name, "\n".join(screens))
    assert not wide


def test_the_summaries_of_commands_that_write_have_the_kept_text(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, SimulationSettings(events=1_000))
    monkeypatch.chdir(tmp_path)
    screens = []
    for width in WIDTHS:
        screens.append(f"{f' {width} columns '.center(width, '-')}\n")
        for command in (
            "ingest impressions impressions.ndjson", "ingest clicks clicks.csv clicks.csv", "process",
            "rejects replay --reason bad_timestamp --yes", "catalogue import catalogue.csv", "erase u12345678 --yes",
        ):  # fmt: skip
            screens.append(
                f"$ advertisex {command}\n{steady(printed(width, *command.split(), '--data', f'd{width}'))}\n"
            )
    check("writing", "".join(screens))


def test_a_pipe_gets_wide_lines_without_styles(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for command in ("ledger", "doctor", "analyze summary"):
        run(*command.split())
        piped = capfd.readouterr().out
        assert "\x1b" not in piped
        assert max(map(len, piped.splitlines())) > 80


def test_columns_sets_the_width_of_a_pipe(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wide = steady(printed(60, "rejects", "list"))
    monkeypatch.setenv("COLUMNS", "60")
    run("rejects", "list")
    assert steady(capfd.readouterr().out) == wide


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours_gets_none(
    name: str, value: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def screen() -> str:
        with terminal(60, 1) as written:
            monkeypatch.setattr(output, "out", type(output.out)(highlight=False))  # as at the start of a process
            run("doctor")
        return written.text

    coloured = screen()
    assert "\x1b[32m" in coloured
    monkeypatch.setenv(name, value)
    plain = screen()
    assert "\x1b[32m" not in plain
    assert steady(plain) == steady(coloured)
    assert name == "NO_COLOR" or "\x1b" not in plain


def test_the_help_of_every_command_has_the_kept_text(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["", *(" ".join(path) for name in commands.COMMANDS for path in _paths(commands.loaded(name)))]
    with commands_in(Path.cwd()):
        monkeypatch.delenv("COLUMNS", raising=False)
        helps = [f"$ advertisex {name} --help\n{steady(printed(80, *name.split(), '--help'))}" for name in names]
    for text in helps:
        assert max(map(len, text.splitlines())) <= 80
        assert "<bool>" not in text
    check("help", "\n".join(line.rstrip() for text in helps for line in text.splitlines()) + "\n")


def _paths(command: object) -> Iterator[list[str]]:
    yield [command.name]  # type: ignore[attr-defined]
    for inner in getattr(command, "commands", {}).values():
        yield from ([command.name, *path] for path in _paths(inner))  # type: ignore[attr-defined]
