"""`advertisex init` looks at the user's sources, and writes settings that work."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Cli

ROWS = "Customer,When,campaign_id,conversion\nu1,2026-01-05 10:00:00,c1,0\nu2,2026-01-05 10:00:01,c1,1\n"
NAMES = ["--map", "Customer=user_id", "--map", "When=timestamp"]


@pytest.fixture(autouse=True)
def sources(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text(ROWS)
    (tmp_path / "clicks.csv").write_text(ROWS.replace("Customer,When", "user_id,timestamp"))
    (tmp_path / "catalogue.csv").write_text("creative_id,campaign_id,advertiser_id\ncr1,c1,a1\n")


def test_what_it_prints_next_works(cli: Cli, tmp_path: Path) -> None:
    ended = cli("init", "--clicks", "clicks.csv", "--clicks", "odd.csv", *NAMES, "--catalogue", "catalogue.csv")
    assert ended.code == 0, ended.err
    assert "clicks: csv; 2 stored" in ended.out
    assert "clicks-2: csv; 2 stored" in ended.out
    assert (tmp_path / "advertisex.toml").stat().st_mode & 0o777 == 0o600
    commands = next(line for line in ended.out.splitlines() if " && " in line)
    for command in commands.split(" && "):
        assert cli(*command.split()[1:]).code == 0
    assert cli("doctor").code == 0
    assert cli("analyze", "summary", "--json").document["counts"]["conversions"] == 1


def test_every_comment_in_the_file_is_a_setting(cli: Cli, tmp_path: Path) -> None:
    cli("init", "--clicks", "clicks.csv")
    lines = (tmp_path / "advertisex.toml").read_text().splitlines()
    settings = "\n".join(line.removeprefix("# ") for line in lines if " = " in line or line.startswith(("[", "# [")))
    (tmp_path / "advertisex.toml").write_text(settings.replace("env:ALERT_CHANNEL", "json://h"))
    assert set(tomllib.loads(settings)) == {"data", "catalogue", "sources", "policy", "log", "store", "alerts"}
    assert cli("sources").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--clicks", "odd.csv"], 1, "required fields user_id, timestamp (odd.csv); name it with --map COLUMN=FIELD"),
        (["--clicks", "absent.csv"], 1, "absent.csv"),
        (["--clicks", "clicks.csv", "--catalogue", "absent.csv"], 2, "cannot read the catalogue"),
        (["--clicks", "http://127.0.0.1:9/x?api_key=abcd1234"], 2, "api_key=***); set a variable to the URL"),
        (["--clicks", "http://me:abcd1234@127.0.0.1:9/x"], 2, "the URL contains a secret"),
        ([], 2, "no source is given, and stdin is not a terminal"),
    ],
)
def test_nothing_is_written_for_what_cannot_be_read(
    arguments: list[str], code: int, says: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        ended = cli("init", *arguments)
    assert (ended.code, says in ended.err) == (code, True), ended.err
    assert "abcd1234" not in ended.err
    assert not (tmp_path / "advertisex.toml").exists()


def test_existing_settings_are_kept(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text("# mine\n")
    ended = cli("init", "--clicks", "clicks.csv")
    assert (ended.code, "--config FILE" in ended.err) == (2, True)
    assert (tmp_path / "advertisex.toml").read_text() == "# mine\n"


def test_on_a_terminal_it_asks_for_sources_and_columns(cli: Cli, tmp_path: Path) -> None:
    answers = b"\nodd.csv\n\n\nCustmer\nCustomer\nWhen\n"  # impressions, clicks, bids, catalogue, a typo, two columns
    parent, child = os.openpty()
    os.write(parent, answers)
    command = [sys.executable, "-m", "advertisex", "init"]
    done = subprocess.run(command, cwd=tmp_path, stdin=child, capture_output=True, text=True, check=False)
    os.close(parent)
    os.close(child)
    assert done.returncode == 0, done.stderr
    assert "Which column is user_id" in done.stderr
    [source] = tomllib.loads((tmp_path / "advertisex.toml").read_text())["sources"]
    assert source["map"] == {"Customer": "user_id", "When": "timestamp"}


def test_a_file_elsewhere_names_the_sources_from_its_folder(cli: Cli, tmp_path: Path) -> None:
    ended = cli("init", "--clicks", "clicks.csv", "--catalogue", "catalogue.csv", "--config", "conf/mine.toml")
    assert ended.code == 0, ended.out + ended.err
    commands = next(line for line in ended.out.splitlines() if " && " in line)
    for command in commands.split(" && "):
        assert cli(*command.split()[1:]).code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--clicks", "clicks.csv", "--map", "Typo=user_id"], "no source has the column 'Typo'"),
        (["--clicks", "-"], "standard input cannot be a source"),
        (["--clicks", "env:A_PATH"], "the reference is not one to a URL"),
        (["--clicks", "http://t0kenabcd@127.0.0.1:9/x"], "the URL contains a secret"),
        (["--clicks", "http://[bad"], "a URL is not valid"),
        (["--clicks", "clicks.csv", "--log", "kafka://[::1"], "a URL is not valid"),
    ],
)
def test_what_the_settings_would_not_take_is_not_written(
    arguments: list[str], says: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_PATH", "clicks.csv")
    ended = cli("init", *arguments)
    assert (ended.code, says in ended.err) == (2, True), ended.err
    assert "t0kenabcd" not in ended.err
    assert not (tmp_path / "advertisex.toml").exists()
