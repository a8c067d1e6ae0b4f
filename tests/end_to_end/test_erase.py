"""`advertisex erase` and `erasures`, end to end."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

CLICKS = """\
timestamp,user_id,campaign_id,conversion_type
2026-01-05T10:00:00Z,user4711,k1,click
2026-01-05T10:00:01Z,user4711,k1,signup
2026-01-05T10:00:01Z,user4711,k1,signup
yesterday,user4711,k1,click
2026-01-05T10:00:03Z,user8,k2,click
"""
SECRET = "a secret of sixteen and more"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def filled(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    (tmp_path / "clicks.csv").write_text(CLICKS, encoding="utf-8")
    monkeypatch.delenv("ADVERTISEX_PRIVACY__PSEUDONYM_KEY", raising=False)
    assert cli("ingest", "clicks", "clicks.csv", "--data", "data").code == 0
    assert cli("process", "--data", "data").code == 0
    return cli


def files_with(folder: Path, word: bytes) -> list[str]:
    return sorted(file.name for file in (folder / "data").iterdir() if word in file.read_bytes())


def test_a_user_is_removed_and_suppressed_in_the_next_run(filled: Cli, tmp_path: Path) -> None:
    assert files_with(tmp_path, b"user4711") == ["log.db", "store.duckdb"]

    resolve = ("rejects", "resolve", "--all", "--yes", "--data", "data", "--note")
    assert filled(*resolve, "the date of user4711").code == 0
    assert files_with(tmp_path, b"date of user4711") == ["store.duckdb"]
    ended = filled("erase", "user4711", "--yes", "--data", "data", "--json")

    assert (ended.code, ended.err) == (0, "")
    assert ended.document["log_overwritten"] is True
    assert ended.document["removed"][1] == {
        "feed": "clicks", "events": 2, "filtered": 0, "rejected": 1, "conflicts": 0, "messages": 4,
    }  # fmt: skip
    assert files_with(tmp_path, b"user4711") == []
    assert filled("ingest", "clicks", "clicks.csv", "--data", "data").code == 0
    total = filled("process", "--data", "data", "--json").document["total"]
    assert total == {
        "read": 10, "stored": 1, "duplicate": 2, "filtered": 0, "rejected": 0, "erased": 7, "conflict": 0,
        "redelivered": 0, "removed": 0, "removed_rejects": 0, "lost": 0,
    }  # fmt: skip
    assert files_with(tmp_path, b"user4711") == ["log.db"], "it was ingested again"
    assert filled("doctor", "--data", "data").code == 0


def test_neither_the_record_nor_the_output_contains_the_user_id(filled: Cli) -> None:
    erased = filled("erase", "user4711", "--yes", "--data", "data")
    listed = filled("erasures", "--data", "data")
    document = filled("erasures", "--data", "data", "--json").document

    assert "user4711" not in erased.out + erased.err + listed.out + listed.err + json.dumps(document)
    (one,) = document["erasures"]
    assert one["asked_at"] < one["done_at"]
    assert one["removed"][1]["events"] == 2


def test_an_unknown_user_is_suppressed_from_then_on(filled: Cli, tmp_path: Path) -> None:
    ended = filled("erase", "user9", "--yes", "--data", "data")

    assert ended.out.splitlines()[0] == "Nothing of this user was found."
    (tmp_path / "clicks.csv").write_text(CLICKS.replace("user4711", "user9"), encoding="utf-8")
    filled("ingest", "clicks", "clicks.csv", "--data", "data")
    assert filled("process", "--data", "data", "--json").document["total"]["erased"] == 4


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1), ("", 130)])
def test_a_terminal_asks_for_confirmation(
    filled: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))

    ended = filled("erase", "user4711", "--data", "data")

    assert ended.code == code
    assert files_with(tmp_path, b"user4711") == ([] if code == 0 else ["log.db", "store.duckdb"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["user4711"], "stdin is not a terminal; add --yes"),
        (["", "--yes"], "invalid user id"),
        (["--yes"], "missing argument 'USER'"),
    ],
)
def test_invalid_usage_is_rejected(
    filled: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())

    ended = filled("erase", *arguments, "--data", "data")

    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.splitlines()) == 1
    assert filled("erasures", "--data", "data", "--json").document == {"erasures": []}


def test_an_interrupted_erasure_is_listed_and_completed(
    filled: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("advertisex.logs.sqlite.log.SqliteLog.partitions", lambda *_: 1 / 0)
        assert filled("erase", "user4711", "--yes", "--data", "data").code == 1
    assert "interrupted or running" in filled("erasures", "--data", "data").out

    assert filled("erase", "user4711", "--yes", "--data", "data").code == 0
    document = filled("erasures", "--data", "data", "--json").document
    assert [one["done_at"] is not None for one in document["erasures"]] == [True]
    assert files_with(tmp_path, b"user4711") == []


def test_pseudonyms_are_stored_instead_of_ids_and_erased_by_id(
    filled: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADVERTISEX_PRIVACY__PSEUDONYM_KEY", SECRET)
    other = ["--store", "duckdb:///data/other.duckdb", "--data", "data"]
    assert filled("process", *other).code == 0
    summary = filled("analyze", "summary", *other, "--json").document
    assert summary["users"] == 2

    removed = filled("erase", "user4711", "--yes", *other, "--json").document["removed"]

    assert removed[1]["events"] == 2
    assert filled("analyze", "summary", *other, "--json").document["users"] == 1


def test_a_guessable_key_is_rejected_and_not_shown(filled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVERTISEX_PRIVACY__PSEUDONYM_KEY", "swordfish")
    ended = filled("process", "--data", "data")

    assert ended.code == 2
    assert "setting privacy.pseudonym_key: the key is too short" in ended.err
    assert "swordfish" not in ended.err


def test_a_missing_folder_is_reported_and_not_created(cli: Cli, tmp_path: Path) -> None:
    ended = cli("erase", "u", "--yes", "--data", "mistyped")
    assert (ended.code, ended.out) == (1, "")
    assert "event log not found" in ended.err
    assert "mistyped" in ended.err
    assert not (tmp_path / "mistyped").exists()


def test_an_old_store_that_still_has_the_user_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("timestamp,user_id,campaign_id,conversion\n2026-01-05 09:00:01,u1,c1,click\n")
    assert cli("ingest", "clicks", "clicks.csv").code == 0
    assert cli("process").code == 0
    assert cli("rebuild").code == 0

    ended = cli("erase", "u1", "--yes")

    assert ended.out.splitlines()[-1] == (
        "What a rebuild left beside the store may still have this user (.advertisex/store.duckdb.old): "
        "delete it with `advertisex rebuild --drop-old`."
    )
    assert cli("erase", "u1", "--yes", "--json").document["kept_old"] == [".advertisex/store.duckdb.old"]
