"""Settings: precedence, and the messages for invalid values."""

import math
import traceback
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from advertisex.cli.options import seconds_of
from advertisex.errors import ConfigurationError
from advertisex.settings.durations import duration_of
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.load import load_settings
from advertisex.settings.messages import MESSAGES, explanation
from advertisex.settings.model import Settings
from tests.all_settings import ALL_SETTINGS, nested


def settings(tmp_path: Path, text: str, **flags: Any) -> Settings:
    file = tmp_path / "advertisex.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, flags)


def test_flags_override_the_environment_which_overrides_the_file(tmp_path: Path, monkeypatch: Any) -> None:
    text = "batch_size = 1\nmemory = '1GB'\n[policy]\nblocked_users = ['file']"
    monkeypatch.setenv("ADVERTISEX_BATCH_SIZE", "2")
    monkeypatch.setenv("ADVERTISEX_POLICY__BLOCKED_USERS", '["environment"]')
    found = settings(tmp_path, text, batch_size=3)
    assert (found.batch_size, found.memory) == (3, "1GB")
    assert found.policy.blocked_users == {"environment"}
    assert settings(tmp_path, text).batch_size == 2


def test_the_environment_can_be_ignored(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("ADVERTISEX_BATCH_SIZE", "2")
    (tmp_path / "own.toml").write_text("", encoding="utf-8")
    assert load_settings(tmp_path / "own.toml", {}, environment=False).batch_size != 2


@pytest.mark.parametrize("name", ["log", "store"])
def test_a_log_or_store_is_a_url_or_a_table_and_places_are_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def found(text: str, **flags: str) -> tuple[str, int | None]:
        loaded = settings(tmp_path, text, **flags)
        return getattr(loaded, f"{name}_url"), getattr(loaded, name).keep_days

    table = f"[{name}]\nurl = 'inthefile://'\nkeep_days = 30"
    assert found(f"{name} = 'inthefile://'") == ("inthefile://", None)
    assert found(table) == ("inthefile://", 30)
    assert found(table, **{name: "flag://"}) == ("flag://", 30)
    monkeypatch.setenv(f"ADVERTISEX_{name.upper()}", "variable://")
    assert found(table) == ("variable://", 30)
    assert found(table, **{name: "flag://"}) == ("flag://", 30)
    monkeypatch.setenv(f"ADVERTISEX_{name.upper()}__KEEP_DAYS", "7")
    assert found(table) == found(f"{name} = 'inthefile://'") == ("variable://", 7)
    monkeypatch.setenv(f"ADVERTISEX_{name.upper()}", '{"url": "json://"}')
    assert found(table) == ("json://", 7)
    monkeypatch.delenv(f"ADVERTISEX_{name.upper()}")
    assert found(table) == ("inthefile://", 7)


@pytest.mark.parametrize(("text", "size"), [("'10GB'", 10**10), ("'1.5 GiB'", 3 << 29), ("1000000", 10**6)])
def test_the_size_of_a_log_has_a_unit(tmp_path: Path, text: str, size: int) -> None:
    assert settings(tmp_path, f"[log]\nkeep_size = {text}").log.keep_size == size


def test_a_url_given_twice_in_the_environment_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVERTISEX_LOG", "sqlite:///a.db")
    monkeypatch.setenv("ADVERTISEX_LOG__URL", "sqlite:///b.db")
    with pytest.raises(ConfigurationError, match="ADVERTISEX_LOG and ADVERTISEX_LOG__URL are both set"):
        load_settings(None, {})


def test_the_catalogue_is_a_path_or_a_list_of_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "catalogue = ['c.csv', '/d.csv']"
    assert settings(tmp_path, "").catalogue == ()
    assert settings(tmp_path, listed).catalogue == (tmp_path / "c.csv", Path("/d.csv"))
    monkeypatch.setenv("ADVERTISEX_CATALOGUE", "e, f.csv")
    assert settings(tmp_path, listed).catalogue == (Path("e, f.csv"),)
    monkeypatch.setenv("ADVERTISEX_CATALOGUE", '["e.csv", "f.csv"]')
    assert settings(tmp_path, listed).catalogue == (Path("e.csv"), Path("f.csv"))
    assert settings(tmp_path, listed, catalogue=[Path("g.csv")]).catalogue == (Path("g.csv"),)


def test_paths_in_the_file_are_relative_to_its_folder(tmp_path: Path) -> None:
    text = "catalogue = 'c.csv'\n[feeds.bids.schemas]\n7 = 'own.avsc'\n[elasticsearch]\nca_file = 'ca.pem'"
    found = settings(tmp_path, text)
    assert found.catalogue == (tmp_path / "c.csv",)
    assert found.elasticsearch.ca_file == tmp_path / "ca.pem"
    assert found.feeds["bids"].schemas == {7: tmp_path / "own.avsc"}


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ADVERTISEX_BATCHSIZE", "3", "ADVERTISEX_BATCHSIZE"),
        ("ADVERTISEX_POLICY__BLOCKED_SITES", "x", "ADVERTISEX_POLICY"),
        ("ADVERTISEX_POLICY", "", "ADVERTISEX_POLICY"),
        ("ADVERTISEX_TIMES__EARLIEST", "0001-01-01T00:00:00+10:00", "times.earliest"),
        ("ADVERTISEX_TIMES__FORMATS", '["%Q"]', r"times\.formats.*unknown directive %Q"),
        ("ADVERTISEX_TIMES__FORMATS", '["soon"]', r"times\.formats.*no directive"),
        ("ADVERTISEX_TIMES__FORMATS", '["%Y-%m"]', r"times\.formats.*a year, a month and a day"),
        ("ADVERTISEX_SOURCES", '[{"feed": "bids", "source": "x", "time_formats": ["%d"]}]', "time_formats.*a year"),
        ("ADVERTISEX_MEMORY", "much", "512MB"),
        ("ADVERTISEX_LOG", "", r"log\.url: must not be empty"),
        ("ADVERTISEX_LOG__KEEP_DAYS", "0", r"log\.keep_days"),
        ("ADVERTISEX_LOG__KEEP_SIZE", "999KB", r"log\.keep_size"),
        ("ADVERTISEX_LOG__KEEP_SIZE", "much", r"log\.keep_size: .* such as 10GB"),
        ("ADVERTISEX_STORE__KEEP_DAYS", "soon", r"store\.keep_days: expected a whole number"),
    ],
)
def test_an_error_names_the_environment_variable(monkeypatch: Any, variable: str, value: str, message: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=message):
        load_settings(None, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[log]\nkeep_days = true", r"setting log\.keep_days: expected a whole number"),
        ("[log]\nkeep_size = true", r"setting log\.keep_size: expected a number and a unit"),
        ("[log]\nkeep_size = '2000TB'", r"setting log\.keep_size: "),
        ("[store]\nkeep_days = false", r"setting store\.keep_days: expected a whole number"),
        ("batch_size = true", "setting batch_size: expected a whole number"),
        ("[times]\nfuture = true", r"setting times\.future: expected a duration"),
        ("[alerts]\npending = true", r"setting alerts\.pending: expected a whole number"),
        ("[alerts.rules.x]\nabove = true", r"setting alerts\.rules\.x\.above: expected a number"),
        ("[alerts.rules.x]\noff = 'maybe'", r"setting alerts\.rules\.x\.off"),
    ],
)
def test_true_and_false_are_not_numbers(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        settings(tmp_path, text)


@pytest.mark.parametrize("key", ["SECRET€", "SECRET\nX", "SECRET X", "SECRET\x7f", "SECRET\u2028"])
def test_an_api_key_invalid_in_a_header_is_rejected_and_not_shown(monkeypatch: Any, key: str) -> None:
    monkeypatch.setenv("ADVERTISEX_ELASTICSEARCH__API_KEY", key)
    with pytest.raises(ConfigurationError, match=r"setting elasticsearch\.api_key: .* in one line") as caught:
        load_settings(None, {})
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[feeds.impressions.aliases]\nuser_id = 'creative_id'", "is already a name of field 'user_id'"),
        ("[feeds.clicks.aliases]\nclicks = 'conversions'", "is already a name of field 'clicks'"),
        ("[feeds.clicks.aliases]\nwho = 'usr'", "unknown field 'usr'"),
        (
            "[feeds.impressions]\nidentity = ['timestamp']",
            r"\.identity: needs a field besides the time",
        ),
        ("[feeds.impressions]\nidentity = ['uuid']", r"feeds\.impressions\.identity: unknown field 'uuid'"),
        ("[feeds.clicks]\nidentity = ['clid']", "unknown field 'clid'"),
        ("[feeds.clicks.extra]\nvalue = 'amount'", r"feeds\.clicks\.extra: 'value' is already a field or column"),
        ("[feeds.clicks.extra]\ngclid = 'text'", "'gclid' is already a field or column"),
        ("[feeds.bids.extra]\nevent_time = 'text'", "'event_time' is already a field or column"),
        ("[feeds.bids.extra]\nprocessed_at = 'text'", "'processed_at' is already a field or column"),
        ("[feeds.bids.extra]\ncampaign_id = 'text'", "'campaign_id' is already a field or column"),
        ("[feeds.bids.extra]\nRegion = 'text'", "must match"),
        ("[feeds.bids.extra]\nregion = 'json'", r"feeds\.bids\.extra\.region"),
        ("[feeds.clicks]\ntopic = 'ad_impressions'", "two feeds share a topic"),
    ],
)
def test_invalid_feed_settings_are_rejected(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        configured_feeds(settings(tmp_path, text))


@pytest.mark.parametrize(
    ("field", "message"),
    [('{"type": "array", "items": "null"}', "could decode to unbounded data"), ('"nonsense"', "it is invalid")],
)
def test_an_unsafe_or_invalid_schema_is_rejected(tmp_path: Path, field: str, message: str) -> None:
    text = f'{{"type": "record", "name": "Bid", "fields": [{{"name": "user_id", "type": {field}}}]}}'
    (tmp_path / "own.avsc").write_text(text)
    with pytest.raises(ConfigurationError, match=message) as caught:
        configured_feeds(settings(tmp_path, "[feeds.bids.schemas]\n7 = 'own.avsc'"))
    assert str(tmp_path / "own.avsc") in str(caught.value)


def test_the_identity_can_be_fields_of_the_feed_and_own_ones(tmp_path: Path) -> None:
    known = configured_feeds(settings(tmp_path, "[feeds.bids]\nidentity = ['timestamp', 'auction_id']"))["bids"]
    assert known.identity == ("auction_id", "event_time")
    text = "[feeds.bids]\nidentity = ['uuid', 'user_id']\nextra = { uuid = 'text', seen = 'flag' }"
    own = configured_feeds(settings(tmp_path, text))["bids"]
    assert set(own.identity) == {"user_id", "uuid", "event_time"}
    assert (own.columns["uuid"], own.columns["seen"]) == (pl.String, pl.Boolean)


def test_the_identity_can_name_a_field_by_an_alias(tmp_path: Path) -> None:
    known = configured_feeds(settings(tmp_path, "[feeds.clicks]\nidentity = ['conversion_id']"))["clicks"]
    assert known.identity == ("transaction_id", "event_time")


def test_an_own_field_can_have_aliases(tmp_path: Path) -> None:
    text = "[feeds.clicks]\nextra = { region = 'text' }\naliases = { area = 'region' }"
    region = configured_feeds(settings(tmp_path, text))["clicks"].field_named("area")
    assert region is not None
    assert region.name == "region"


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("auction_id", 'write identity = ["auction_id"] in [feeds.bids]'),
        ("uuid", 'write identity = ["uuid"] in [feeds.bids], and extra = { uuid = "text" }'),
    ],
)
def test_a_setting_that_was_replaced_shows_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, hint: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"setting feeds\.bids\.id_field: it was replaced") as caught:
        settings(tmp_path, f"[feeds.bids]\nid_field = '{field}'")
    assert caught.value.hint == hint
    monkeypatch.setenv("ADVERTISEX_FEEDS__BIDS__ID_FIELD", field)
    with pytest.raises(ConfigurationError, match="it was replaced") as caught:
        load_settings(None, {})
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("'500ms'", 0.5), ("'30s'", 30), ("' 15 m '", 900), ("'12h'", 43_200), ("'3d'", 259_200), ("'2w'", 1_209_600),
        ("'1.5h'", 5400), ("'PT15M'", 900), ("'P3D'", 259_200), ("90", 90), ("0.25", 0.25), ("'90'", 90), ("0", 0),
    ],
)  # fmt: skip
def test_a_duration_is_written_in_the_same_way_everywhere(tmp_path: Path, written: str, seconds: float) -> None:
    source = "[[sources]]\nfeed = 'clicks'\nsource = 'x'"
    found = settings(tmp_path, f"[times]\nfuture = {written}\n[alerts]\ncooldown = {written}\n{source}")
    assert found.times.future == found.alerts.cooldown == timedelta(seconds=seconds)
    lookback = settings(tmp_path, f"{source}\nlookback = {written}").sources[0].lookback
    text = written.strip("'")
    assert lookback == duration_of(text, "--lookback") == timedelta(seconds=seconds)
    if 0 < seconds <= 86_400:
        waits = settings(tmp_path, f"[api]\ntimeout = {written}\nretry_wait = {written}\n{source}\nevery = {written}")
        assert waits.api.timeout == waits.api.retry_wait == waits.sources[0].every == seconds_of(text, "--every")


@pytest.mark.parametrize(
    "written",
    ["'soon'", "''", "'-1s'", "-1", "'-P1D'", "nan", "inf", "1e300", "'1y'", "true", "[]", "'1:30'", "07:30:00"],
)  # fmt: skip
def test_another_duration_is_rejected(tmp_path: Path, written: str) -> None:
    for name in ("times.future", "api.timeout", "alerts.bucket"):
        with pytest.raises(ConfigurationError, match=rf"setting {name}: expected a duration, such as 500ms"):
            settings(tmp_path, f"{name} = {written}")


def wrong_values(secret: str) -> Iterator[Any]:
    """Values of every type, few of which a setting takes."""
    yield from (secret, [secret], {secret: secret}, [[secret]], {secret: [secret]}, secret * 50, b"\xff", {1: None})
    yield from ("", None, [], {}, True, -1, 0, 1.5, 10**30, math.nan, math.inf, "9" * 5000, "1e999", "1XB", [None])


@pytest.mark.parametrize("name", ALL_SETTINGS)
def test_every_error_of_a_setting_has_our_words_and_shows_no_value(name: str) -> None:
    secret = "correct-horse-battery!"
    is_secret = ALL_SETTINGS[name].repr is False or "Secret" in str(ALL_SETTINGS[name].annotation)
    for table, value in product(nested(name), wrong_values(secret)):
        try:
            Settings(**table(value))
        except ValidationError as errors:
            for error in errors.errors():
                assert error["type"] in MESSAGES or error["type"] == "value_error", error["type"]
                text = explanation(error)
                assert "Input" not in text
                assert "Field" not in text
                assert not is_secret or secret not in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch_size = 0", "batch_size: must be at least 1"),
        ("[metrics]\nport = 70000", "metrics.port: must be at most 65535"),
        ("[api]\nrequests_per_second = 0", "api.requests_per_second: must be more than 0"),
        ("[elasticsearch]\nperiod = 'week'", "elasticsearch.period: expected month or day"),
        ("[[sources]]\nsource = 'x'", "sources.0.feed: must be given"),
        ("[feeds.views]\ntopic = 'x'", "feeds.views: expected impressions, clicks or bids"),
        ("[alerts.rules.Bad]\noff = true", "alerts.rules.Bad: a rule name must match"),
        (
            "[alerts]\ndays_off = ['easter']",
            "alerts.days_off.all.0: 'easter' is not a valid day off: use a date",
        ),
        ("[alerts]\ndays_off = ['2026-02-30']", "alerts.days_off.all.0: "),
        ("[alerts.days_off]\nviews = ['sunday']", "alerts.days_off.views: "),
        ("[policy]\nnegative_users = 'perhaps'", "policy.negative_users: expected true or false"),
        ("[times]\nearliest = 'soon'", "times.earliest: expected a date and time"),
    ],
)
def test_what_is_wrong_is_said_in_our_words(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, text)
    assert f"setting {message}" in str(caught.value)
