"""Secrets by reference: what a reference yields, and that no error shows a value."""

import json
import traceback
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from advertisex.errors import ConfigurationError
from advertisex.settings.load import load_settings
from advertisex.settings.model import Settings
from tests.all_settings import ALL_SETTINGS

SECRET = "correct-horse-battery"

#: Settings that hold texts, but no secret.
NOT_SECRET = {
    "memory", "times.zone", "times.formats", "policy.blocked_users", "policy.blocked_sites", "feeds.FEED.topic",
    "feeds.FEED.aliases", "feeds.FEED.extra", "feeds.FEED.identity", "metrics.host", "web.host", "web.hosts",
    "web.proxies", "web.tokens[].name", "web.tokens[].hash",
    "collector.origins", "collector.user_agent_field", "kafka.group",
    "elasticsearch.prefix", "alerts.rules.NAME.campaign", "analysis.zone", "analysis.currency", "analysis.ip_field",
    "reports.NAME.question",
    *(f"alerts.days_off.{name}" for name in ("all", "impressions", "clicks", "bids")),
    *(f"partners[].{name}" for name in (
        "columns", "decimal", "delimiter", "encoding", "escape", "format", "inherit", "map", "name", "quote", "records",
        "set", "thousands", "time_formats", "zone",
    )),
    *(f"sources[].{name}" for name in (
        "name", "map", "set", "time_formats", "format", "encoding", "records", "inherit", "columns", "delimiter",
        "quote", "escape", "decimal", "thousands", "cursor", "since", "auth.name", "auth.scope",
    )),
    *(f"sources[].paginate.{name}" for name in (
        "next_path", "cursor_path", "cursor_header", "param", "body_param", "limit_param", "total_path",
    )),
}  # fmt: skip

#: A settings file with a secret in each place, and how the loaded settings show it.
PLACES = {
    "log.url": ("[log]\nurl = '{}'", lambda s: s.log_url),
    "log": ("log = '{}'", lambda s: s.log_url),
    "store.url": ("store = '{}'", lambda s: s.store_url),
    "api.headers.X-Key": ("[api.headers]\nX-Key = '{}'", lambda s: s.api.headers["X-Key"]),
    "kafka.client.sasl.password": (
        "[kafka.client]\n'sasl.password' = '{}'",
        lambda s: s.kafka.client["sasl.password"],
    ),
    "elasticsearch.api_key": ("[elasticsearch]\napi_key = '{}'", lambda s: s.elasticsearch.api_key.get_secret_value()),
    "privacy.pseudonym_key": ("[privacy]\npseudonym_key = '{}'", lambda s: s.privacy.pseudonym_key.get_secret_value()),
    "alerts.channels.0": ("[alerts]\nchannels = ['{}']", lambda s: s.alerts.channels[0].get_secret_value()),
}


def load(folder: Path, text: str) -> Settings:
    (folder / "advertisex.toml").write_text(text, encoding="utf-8")
    return load_settings(folder / "advertisex.toml", {})


def has_text(info: FieldInfo) -> bool:
    return any(kind in str(info.annotation) for kind in ("str", "SecretStr")) or info.annotation is str


def revealed(found: Any) -> str:
    match found:
        case SecretStr():
            return found.get_secret_value()
        case dict():
            return revealed(tuple(found.values()))
        case tuple() | frozenset():
            return " ".join(map(revealed, found))
        case _:
            return str(found)


def error_of(folder: Path, text: str) -> str:
    """The error of a settings file; no part of its traceback shows the secret."""
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(name for name, info in ALL_SETTINGS.items() if has_text(info)))
def test_every_setting_that_holds_texts_is_a_secret_or_known_to_be_none(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret is not shown, and can be given by reference, whatever the setting is."""
    monkeypatch.setenv("OUR_SECRET", f"https://{SECRET}")
    info, accepted = ALL_SETTINGS[name], list[str]()
    for form in ("{}", ["{}"], {"x": "{}"}):
        text = json.dumps(form).replace("{}", "env:OUR_SECRET")
        adapter = TypeAdapter(Annotated[info.annotation, name, *info.metadata])
        try:
            found = adapter.validate_python(json.loads(text))
        except ValidationError:
            continue
        accepted.append(text)
        assert (SECRET in revealed(found)) == (name not in NOT_SECRET)
        assert name in NOT_SECRET or info.repr is False or SECRET not in repr(found)
    assert accepted or name in NOT_SECRET


@pytest.mark.parametrize("name", PLACES)
def test_a_secret_is_given_as_it_is_by_variable_or_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text, value_in = PLACES[name]
    monkeypatch.setenv("OUR_SECRET", SECRET)
    (tmp_path / "the secret").write_text(f"{SECRET}\n")
    for given in (SECRET, "env:OUR_SECRET", "file:the secret", f"file:{tmp_path / 'the secret'}"):
        found = load(tmp_path, text.format(given))
        assert value_in(found) == SECRET
        assert SECRET not in repr(found)


@pytest.mark.parametrize("name", PLACES)
def test_a_reference_that_yields_nothing_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    text, _ = PLACES[name]
    setting = name if name != "log" else "log.url"
    assert f"setting {setting}: env:UNSET_SECRET: the environment variable is not set" in error_of(
        tmp_path, text.format("env:UNSET_SECRET")
    )
    assert f"setting {setting}: file:missing: the file could not be read: the file does not exist" in error_of(
        tmp_path, text.format("file:missing")
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\r\n", "the file is empty"),
        (f"{SECRET}\xff".encode("latin-1"), "it is not UTF-8 text"),
        (SECRET.encode() * 60_000, "larger than 1 MiB"),
    ],
)
def test_an_unusable_file_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "key").write_bytes(content)
    assert message in error_of(tmp_path, "[api.headers]\nX-Key = 'file:key'")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("env:EMPTY_SECRET", "env:EMPTY_SECRET: the environment variable is empty"),
        (f"env:{SECRET}", "expected the name of an environment variable after env:"),
        ("env:", "expected the name of an environment variable after env:"),
        ("file:", "file:: the file could not be read: it is a folder, not a file"),
        ("file:.", "file:.: the file could not be read: it is a folder, not a file"),
    ],
)
def test_an_invalid_reference_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, message: str
) -> None:
    monkeypatch.setenv("EMPTY_SECRET", "")
    assert message in error_of(tmp_path, f"[api.headers]\nX-Key = '{reference}'")


def test_only_the_last_line_end_of_a_file_is_dropped_and_no_value_is_a_reference(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b" env:HOME\n\r\n")
    assert load(tmp_path, "[api.headers]\nX-Key = 'file:key'").api.headers == {"X-Key": " env:HOME\n"}


def test_a_reference_in_the_environment_starts_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "url").write_text("kafka://user:secret@host")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("ADVERTISEX_LOG", "file:url")
    assert load(tmp_path, "").log_url == "kafka://user:secret@host"


def test_settings_that_are_not_secret_take_a_reference_as_text(tmp_path: Path) -> None:
    found = load(tmp_path, "[policy]\nblocked_users = ['env:HOME', 'file:x']\n[kafka]\ngroup = 'env:HOME'")
    assert found.policy.blocked_users == {"env:HOME", "file:x"}
    assert found.kafka.group == "env:HOME"


def test_the_address_of_a_source_is_a_url_if_it_is_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def source(address: str) -> str:
        return f"[[sources]]\nfeed = 'clicks'\nsource = '{address}'"

    monkeypatch.setenv("SOURCE", f"https://user:{SECRET}@host/x")
    found = load(tmp_path, source("env:SOURCE"))
    assert found.sources[0].source == f"https://user:{SECRET}@host/x"
    assert SECRET not in repr(found)
    monkeypatch.setenv("SOURCE", SECRET)
    assert "setting sources.0.source: the reference must yield a URL" in error_of(tmp_path, source("env:SOURCE"))


def test_a_path_of_kafka_is_not_a_reference(tmp_path: Path) -> None:
    assert "ssl.key.location is the path of a file" in error_of(
        tmp_path, "[kafka.client]\n'ssl.key.location' = 'file:key.pem'"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"[api]\nheaders = '{SECRET}'",
        f"[api.headers]\nX-Key = ['{SECRET}']",
        f"[alerts]\nchannels = '{SECRET}'",
        f"[alerts]\nchannels = [['{SECRET}']]",
        f"[log]\nurl = ['{SECRET}']",
        f"log = ['{SECRET}']",
        f"[privacy]\npseudonym_key = ['{SECRET}']",
        f"[api.headers]\nX-Key = '{SECRET}",
    ],
)
def test_errors_of_other_kinds_show_no_value_either(tmp_path: Path, text: str) -> None:
    assert error_of(tmp_path, text)


@pytest.mark.parametrize("variable", ["ADVERTISEX_API", "ADVERTISEX_API__HEADERS", "ADVERTISEX_ALERTS__CHANNELS"])
def test_errors_of_the_environment_show_no_value(monkeypatch: Any, variable: str) -> None:
    for value in (SECRET, f'["{SECRET}', f'"{SECRET}"'):
        monkeypatch.setenv(variable, value)
        with pytest.raises(ConfigurationError) as caught:
            load_settings(None, {})
        assert SECRET not in "".join(traceback.format_exception(caught.value))
