"""The settings: which wins, and what a mistake in them says."""

import traceback
from pathlib import Path
from typing import Any

import pytest

from advertisex.errors import ConfigurationError
from advertisex.feed_settings import configured_feeds
from advertisex.settings import Settings
from advertisex.settings_file import load_settings


def settings(tmp_path: Path, text: str, **flags: Any) -> Settings:
    file = tmp_path / "advertisex.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, flags)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: Any) -> None:
    text = "batch_size = 1\nmemory = '1GB'\n[policy]\nblocked_users = ['file']"
    monkeypatch.setenv("ADVERTISEX_BATCH_SIZE", "2")
    monkeypatch.setenv("ADVERTISEX_POLICY__BLOCKED_USERS", '["environment"]')
    found = settings(tmp_path, text, batch_size=3)
    assert (found.batch_size, found.memory) == (3, "1GB")
    assert found.policy.blocked_users == {"environment"}
    assert settings(tmp_path, text).batch_size == 2


def test_the_environment_can_be_left_out(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("ADVERTISEX_BATCH_SIZE", "2")
    (tmp_path / "own.toml").write_text("", encoding="utf-8")
    assert load_settings(tmp_path / "own.toml", {}, environment=False).batch_size != 2


def test_paths_in_the_file_are_meant_from_its_folder(tmp_path: Path) -> None:
    text = "catalogue = 'c.csv'\n[feeds.bids.schemas]\n7 = 'own.avsc'\n[elasticsearch]\nca_file = 'ca.pem'"
    found = settings(tmp_path, text)
    assert found.catalogue == tmp_path / "c.csv"
    assert found.elasticsearch.ca_file == tmp_path / "ca.pem"
    assert found.feeds["bids"].schemas == {7: tmp_path / "own.avsc"}


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("ADVERTISEX_BATCHSIZE", "3", "ADVERTISEX_BATCHSIZE"),
        ("ADVERTISEX_POLICY__BLOCKED_SITES", "x", "ADVERTISEX_POLICY"),
        ("ADVERTISEX_POLICY", "", "ADVERTISEX_POLICY"),
        ("ADVERTISEX_TIMES__EARLIEST", "0001-01-01T00:00:00+10:00", "times.earliest"),
        ("ADVERTISEX_TIMES__FORMATS", '["%Q"]', "times.formats"),
        ("ADVERTISEX_MEMORY", "much", "512MB"),
    ],
)
def test_a_mistake_in_the_environment_is_named(monkeypatch: Any, variable: str, value: str, says: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=says):
        load_settings(None, {})


@pytest.mark.parametrize("key", ["SECRET€", "SECRET\nX", "SECRET X", "SECRET\x7f", "SECRET\u2028"])
def test_an_api_key_that_fits_into_no_header_is_refused_and_not_told(monkeypatch: Any, key: str) -> None:
    monkeypatch.setenv("ADVERTISEX_ELASTICSEARCH__API_KEY", key)
    with pytest.raises(ConfigurationError, match=r"setting elasticsearch\.api_key: .* in one line") as caught:
        load_settings(None, {})
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[feeds.impressions.aliases]\nuser_id = 'creative_id'", "is a name of the field user_id already"),
        ("[feeds.clicks.aliases]\nclicks = 'conversions'", "is a name of the field clicks already"),
        ("[feeds.clicks.aliases]\nwho = 'usr'", "which is no field"),
        ("[feeds.impressions]\nid_field = 'timestamp'", "is no id"),
        ("[feeds.clicks]\ntopic = 'ad_impressions'", "two feeds share a topic"),
    ],
)
def test_feeds_that_cannot_be_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        configured_feeds(settings(tmp_path, text))


@pytest.mark.parametrize(
    ("field", "says"),
    [('{"type": "array", "items": "null"}', "could claim data without end"), ('"nonsense"', "it is not valid")],
)
def test_a_schema_with_which_one_message_could_stop_everything_is_refused(
    tmp_path: Path, field: str, says: str
) -> None:
    text = f'{{"type": "record", "name": "Bid", "fields": [{{"name": "user_id", "type": {field}}}]}}'
    (tmp_path / "own.avsc").write_text(text)
    with pytest.raises(ConfigurationError, match=says) as caught:
        configured_feeds(settings(tmp_path, "[feeds.bids.schemas]\n7 = 'own.avsc'"))
    assert str(tmp_path / "own.avsc") in str(caught.value)


def test_a_field_of_the_feed_or_another_can_be_the_identity(tmp_path: Path) -> None:
    known = configured_feeds(settings(tmp_path, "[feeds.bids]\nid_field = 'auction_id'"))["bids"]
    assert known.identity == ("auction_id", "event_time")
    other = configured_feeds(settings(tmp_path, "[feeds.bids]\nid_field = 'uuid'"))["bids"]
    assert other.identity == ("uuid", "event_time")
    assert "uuid" not in other.columns
