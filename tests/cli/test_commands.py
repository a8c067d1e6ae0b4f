"""The commands are found by name, only the one that is used is imported, and its log has the form of its output."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from advertisex.cli import commands, log_lines, session
from advertisex.errors import ConfigurationError
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.questions.definitions import QUESTIONS
from advertisex.stores.duckdb.store import DuckdbStore

IMPORTED = """
import sys
from advertisex.cli.commands import app
print(*(name for name in sys.modules if name.startswith("advertisex.")))
"""


#: The commands that a server can answer.
REMOTE = {
    "sources", "overview", "reconcile", "catalogue show", "catalogue history", "anomalies", "alerts list", "ledger",
    "erasures", "doctor", *(f"rejects {one}" for one in ("list", "show", "export", "replay", "resolve")),
    *(f"analyze {one}" for one in QUESTIONS),
}  # fmt: skip


@pytest.fixture
def cli_configured(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """How the log is configured."""
    found: dict[str, bool] = {}
    monkeypatch.setattr(log_lines, "configure", lambda terminal, **options: found.update(options))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return found


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_has_a_help_with_both_options(name: str) -> None:
    short, long = (CliRunner().invoke(commands.app, [name, option]) for option in ("-h", "--help"))

    assert (short.exit_code, short.output) == (0, long.output)
    assert f"Usage: advertisex {name} [OPTIONS]" in short.output


def commands_below(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    if not inner or command.params:
        yield name, command
    for inner_name, one in inner.items():
        yield from commands_below(one, f"{name} {inner_name}")


def test_every_command_takes_the_same_common_options() -> None:
    common = ["--data", "--log", "--store", "--config", "--json", "--debug"]
    for first in commands.COMMANDS:
        for name, command in commands_below(commands.loaded(first), first):
            shared = [option for option in command.params if option.rich_help_panel == "Common options"]
            expected = [one for one in common if one != "--config" or name != "demo"]  # it has settings of its own
            expected[4:4] = ["--server"] if name in REMOTE else []
            assert [option.opts[0] for option in shared] == expected, name


@pytest.mark.parametrize(
    ("arguments", "suggested"),
    [
        (["anlyze"], "did you mean analyze?"),
        (["analyze", "sumary"], "did you mean summary?"),
        (["rejects", "exprt"], "did you mean export?"),
        (["ledger", "--dta", "d"], "--data"),
    ],
)
def test_a_misspelled_name_is_suggested(arguments: list[str], suggested: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["advertisex", *arguments])
    with pytest.raises(ConfigurationError) as found:
        commands.run_command()
    assert suggested in str(found.value)
    assert "see advertisex" in str(found.value)


def test_the_help_lists_every_command_in_order() -> None:
    shown = CliRunner().invoke(commands.app, ["-h"]).output.partition(" Commands ")[2]

    names = [words[1] for line in shown.splitlines() if (words := line.split()) and line[2:3].isalpha()]
    assert names == list(commands.COMMANDS)


def test_other_commands_are_not_imported() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)

    modules = {f"advertisex.cli.{command.module}" for command in commands.COMMANDS.values()}
    assert modules.isdisjoint(done.stdout.split())


def test_the_help_has_the_first_sentence_of_each_command() -> None:
    for name, command in commands.COMMANDS.items():
        assert " ".join(commands.loaded(name).help.partition("\n\n")[0].split()) == command.summary


#: Modules that take long to import.
SLOW = {
    *(
        "polars",
        "duckdb",
        "numpy",
        "pydantic_settings",
        "structlog",
        "httpx",
        "fastavro",
        "jinja2",
        "plotly",
        "apprise",
    ),
    *("confluent_kafka", "elasticsearch", "prometheus_client", "obstore", "charset_normalizer"),
}
_TABLES = {"polars", "pydantic_settings", "structlog"}


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], set[str]()),
        (["--version"], set[str]()),
        (["ledger"], {*_TABLES, "duckdb"}),
        (["analyze", "summary"], {*_TABLES, "duckdb", "numpy"}),
        (["process"], {*_TABLES, "duckdb", "numpy", "fastavro", "prometheus_client"}),
    ],
)
def test_a_command_imports_only_what_it_needs(arguments: list[str], allowed: set[str], tmp_path: Path) -> None:
    SqliteLog(tmp_path / ".advertisex" / "log.db").close()
    DuckdbStore(tmp_path / ".advertisex" / "store.duckdb").close()
    script = "import sys\nfrom advertisex.cli.main import run\ntry:\n    run()\nfinally:\n    print(*sys.modules)"
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == "" or "no " in done.stderr
    assert SLOW.intersection(done.stdout.split()) - allowed == set()


@pytest.mark.parametrize(
    ("terminal", "service", "expected"),
    [
        (False, False, "warning: it failed (number=1,234, of=a\u240a)\n"),
        (True, False, "warning: it failed (number=1,234, of=a\u240a)\n"),
        (False, True, '"level": "warning", "event": "it failed", "number": 1234, "of": "a\\n"}\n'),
        (True, True, "it failed"),
    ],
)
def test_log_lines_have_the_form_of_what_a_command_prints_and_of_a_service(
    terminal: bool, service: bool, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log_lines.configure(terminal, service=service, debug=False)
    structlog.get_logger().warning("it failed", number=1_234, of="a\n")
    structlog.reset_defaults()

    printed = capsys.readouterr().err
    assert expected in printed
    assert service or printed == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("no space left", "no space left"),
        ("a, b=c", '"a, b=c"'),
        ("ended (1)", '"ended (1)"'),
        ('say "x"', r'"say \"x\""'),
        ("", '""'),
        (" a", '" a"'),
        (["a", "b, c", 1_234], '[a, "b, c", 1,234]'),
        (("a", []), "[a, []]"),
        ({"a": "b=c", "d": [1]}, '{a="b=c", d=[1]}'),
    ],
)
def test_the_end_of_a_detail_is_clear(value: object, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    log_lines.configure(False, service=False, debug=False)
    structlog.get_logger().warning("it failed", of=value)
    structlog.reset_defaults()

    assert capsys.readouterr().err == f"warning: it failed (of={expected})\n"


@pytest.mark.parametrize(
    ("arguments", "service"),
    [
        (["run"], True),
        (["serve"], True),
        (["process", "--follow"], True),
        (["process"], False),
        (["ingest", "clicks", "run"], False),
    ],
)
def test_run_and_follow_are_services(
    arguments: list[str], service: bool, monkeypatch: pytest.MonkeyPatch, cli_configured: dict[str, bool]
) -> None:
    monkeypatch.setattr(sys, "argv", ["advertisex", *arguments])
    session.begin()
    assert cli_configured["service"] is service
