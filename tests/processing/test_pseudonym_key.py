"""A store only accepts its own pseudonym key."""

import json
from pathlib import Path

import pytest

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.privacy.erasure import erase
from advertisex.processing.pseudonymise import pseudonym
from advertisex.processing.runner import Processing, process_log
from advertisex.stores.contract import ERASURES, Range
from advertisex.stores.duckdb.store import DuckdbStore

KEY, OTHER = b"the first key of the store", b"another key of the same size"


def test_another_key_or_none_is_rejected_before_anything_is_stored(tmp_path: Path) -> None:
    good = {"user_id": "u", "timestamp": "2026-01-05T10:00:00Z", "website": "a.example", "creative_id": "c"}
    with SqliteLog(tmp_path / "log.db") as log, DuckdbStore(tmp_path / "store.duckdb") as store:
        log.append("ad_impressions", [json.dumps(good).encode()])
        process_log(log, store, Processing(FEEDS, pseudonym_key=KEY))
        log.append("ad_impressions", [json.dumps(good | {"creative_id": "d"}).encode()])
        for wrong in (OTHER, b""):
            with pytest.raises(ConfigurationError, match="pseudonym key") as caught:
                process_log(log, store, Processing(FEEDS, pseudonym_key=wrong))
            assert caught.value.setting == ("privacy", "pseudonym_key")
            assert store.ledger()[0].counts.read == 1
        process_log(log, store, Processing(FEEDS, pseudonym_key=KEY))
        stored = [user for frame in store.scan("impressions", ["user_id"], Range()) for user in frame["user_id"]]
        assert stored == [pseudonym("u", KEY)] * 2
        assert [KEY in document for document in store.notes("pseudonyms").values()] == [False]


def test_a_key_can_be_added_to_a_store_that_has_none(tmp_path: Path) -> None:
    with SqliteLog(tmp_path / "log.db") as log, DuckdbStore(tmp_path / "store.duckdb") as store:
        log.append("ad_impressions", [b"{"])
        process_log(log, store, Processing(FEEDS))
        process_log(log, store, Processing(FEEDS, pseudonym_key=KEY))
        with pytest.raises(ConfigurationError, match="pseudonym key"):
            process_log(log, store, Processing(FEEDS))


@pytest.mark.parametrize("wrong", [OTHER, b""])
def test_an_erasure_with_another_key_or_none_changes_nothing(tmp_path: Path, wrong: bytes) -> None:
    good = {"user_id": "u", "timestamp": "2026-01-05T10:00:00Z", "website": "a.example", "creative_id": "c"}
    with SqliteLog(tmp_path / "log.db") as log, DuckdbStore(tmp_path / "store.duckdb") as store:
        log.append("ad_impressions", [json.dumps(good).encode()])
        process_log(log, store, Processing(pseudonym_key=KEY))

        with pytest.raises(ConfigurationError, match="pseudonym key"):
            erase("u", log, store, pseudonym_key=wrong)
        assert store.notes(ERASURES) == {}

        run = erase("u", log, store, pseudonym_key=KEY)
        assert {one.feed: (one.events, one.messages) for one in run.removed if one.anything} == {"impressions": (1, 1)}
