"""`advertisex doctor`: one line for each thing that was looked at, with the mend where it is bad."""

from collections.abc import Callable
from typing import Any

Cli = Callable[..., Any]


def test_a_healthy_folder_is_told_line_by_line(cli: Cli) -> None:
    assert cli("simulate", "--events", 1000, "--data", "data").code == 0
    assert cli("process", "--data", "data").code == 0
    result = cli("doctor", "--data", "data", "--json")
    assert result.code == 0
    found = {finding["what"]: finding for finding in result.document["findings"]}
    assert list(found) == ["versions", "clock", "settings", "disk", "log", "topics", "store", "ledger"]
    assert all(finding["good"] for finding in found.values())
    assert result.document["good"] is True


def test_what_is_bad_is_named_with_its_mend(cli: Cli) -> None:
    result = cli("doctor", "--data", "nothing-here")
    assert result.code == 1
    (bad,) = [line for line in result.out.splitlines() if line.startswith("bad")]
    assert "there is no event log" in bad
    assert "run `advertisex ingest`" in bad


def test_a_wrong_setting_ends_the_look(cli: Cli) -> None:
    result = cli("doctor", "--config", "absent.toml")
    assert result.code == 1
    assert "bad settings" in result.out
    assert "absent.toml" in result.out
