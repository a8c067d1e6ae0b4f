"""`rejects show` names the source and the line of a message, if the log knows them."""

from pathlib import Path

import pytest

from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from tests.end_to_end.conftest import Cli

ROWS = """\
user_id,timestamp,campaign_id,conversion
u1,2026-01-05 09:00:00,c1,0

u2,yesterday,c1,0
"""
#: The only reject is the second message.
ID = f"{FEEDS['clicks'].topic}/0/1"


@pytest.fixture
def rejected(cli: Cli, tmp_path: Path) -> Cli:
    (tmp_path / "clicks.csv").write_text(ROWS)
    assert cli("ingest", "clicks", "clicks.csv").code == 0
    assert cli("process").code == 0
    return cli


def test_the_source_and_the_line_are_shown(rejected: Cli) -> None:
    ended = rejected("rejects", "show", ID)
    assert (ended.code, ended.err) == (0, "")
    assert "  source    clicks.csv:4\n" in ended.out
    (shown,) = rejected("rejects", "show", ID, "--json").document["rejects"]
    assert (shown["source"], shown["line"]) == ("clicks.csv", 4)


def test_they_are_left_out_if_the_log_does_not_know_them(rejected: Cli, tmp_path: Path) -> None:
    log = tmp_path / ".advertisex" / "log.db"
    log.rename(tmp_path / "elsewhere.db")
    ended = rejected("rejects", "show", ID)
    assert (ended.code, ended.err) == (0, "")
    assert "source" not in ended.out
    with SqliteLog(log) as other:  # as an earlier version appended them
        other.append(FEEDS["clicks"].topic, [b"a", b"b"])
    (shown,) = rejected("rejects", "show", ID, "--json").document["rejects"]
    assert (shown["source"], shown["line"]) == (None, None)
    assert "  source    clicks.csv:4\n" in rejected("rejects", "show", ID, "--log", "sqlite:///elsewhere.db").out
