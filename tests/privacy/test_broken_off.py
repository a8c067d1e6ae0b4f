"""Resuming an interrupted erasure, with the embedded log and store."""

import json
import sqlite3
from pathlib import Path
from typing import Never

import pytest

from advertisex.errors import LogError, StoreError
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.privacy.erasure import erase
from advertisex.stores.duckdb.store import DuckdbStore

USER = "user4711"
CLICK = {"timestamp": "2026-01-05T10:00:00Z", "user_id": USER, "campaign_id": "k1", "conversion_type": "click"}


def test_messages_kept_in_the_write_ahead_log_by_a_reader_are_gone_once_a_run_is_done(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db", wait=0.1) as log, DuckdbStore(tmp_path / "events.duckdb") as store:
        held = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        log.append("clicks_conversions", [json.dumps(CLICK).encode(), b"{}"])
        held.execute("BEGIN")
        held.execute("SELECT * FROM batch").fetchall()
        for _ in range(2):
            with pytest.raises(LogError, match="run this again"):
                erase(USER, log, store, FEEDS)
        held.close()

        run = erase(USER, log, store, FEEDS)

        assert run.done_at is not None
        assert not any(USER.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


def test_a_store_whose_file_cannot_be_replaced_stays_open_and_the_erasure_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Path) -> Never:
        raise OSError(28, "No space left on device")

    with SqliteLog(tmp_path / "log.db") as log, DuckdbStore(tmp_path / "events.duckdb") as store:
        with monkeypatch.context() as full:
            full.setattr(Path, "replace", fail)
            with pytest.raises(StoreError, match="the disk is full"):
                erase(USER, log, store, FEEDS)
        assert store.ledger() == []

        assert erase(USER, log, store, FEEDS).done_at is not None
