"""The error of a setting that is found after the settings were loaded names where it was given, too."""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import Cli

KAFKA, ELASTICSEARCH = "log = 'kafka://127.0.0.1:1'\n", "store = 'elasticsearch://127.0.0.1:1'\n"
SASL = "'security.protocol' = 'SASL_PLAINTEXT'"
CLIENT = f"{KAFKA}\n[kafka]\ngroup = 'g'\n\n[kafka.client]\n'client.id' = 'x'\n"
#: Settings, a command, what is wrong, and the line of it.
IN_FILES = {
    "a rule": ("[alerts]\n\n[alerts.rules.own]\nabove = 1", "alerts list", "setting alerts.rules.own: ", 3),
    "a channel": ("[alerts]\npending = 3\nchannels = ['no', 'x']", "alerts test", "setting alerts.channels: ", 3),
    "a property": (f"{CLIENT}'sasl.passwd' = 'x'", "process", "setting kafka.client: sasl.passwd: ", 8),
    "missing": (f"{CLIENT}'sasl.mechanism' = 'PLAIN'\n{SASL}", "process", "setting kafka.client: sasl.username", 6),
    "a fixed property": (f"{CLIENT}'bootstrap.servers' = 'x'", "process", "setting kafka.client: bootstrap.", 8),
    "an authority": (f"{ELASTICSEARCH}[elasticsearch]\nca_file = 'x'", "ledger", "setting elasticsearch.ca_file", 3),
    "the log's URL": ("\nlog = 'x'", "process", "unsupported event log URL", 2),
    "Kafka's URL": ("\nlog = 'kafka://user:horse@x'", "process", "a Kafka URL cannot", 2),
    "Kafka's brokers": ("\nlog = 'kafka://x:y'", "process", "invalid Kafka URL", 2),
    "the store's URL": ("[store]\nkeep_days = 9\nurl = 'x'", "ledger", "unsupported event store URL", 3),
    "Elasticsearch's URL": ("\nstore = 'elasticsearch://?x=y'", "ledger", "the URL of an Elasticsearch store", 2),
    "a log in memory": ("\nlog = 'sqlite:///:memory:'", "process", "--log: ", 2),
    "retention of Kafka": ("log = {url = 'kafka://x', keep_days = 9}", "process", "setting log.keep_days: ", 1),
    "workers": (f"\n{KAFKA}\nstore = 'duckdb:///x'", "process --workers 2", "--workers needs", 4),
}  # fmt: skip


@pytest.mark.parametrize("kind", IN_FILES)
def test_an_error_names_the_line(cli: Cli, tmp_path: Path, kind: str) -> None:
    text, command, what, line = IN_FILES[kind]
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")

    ended = cli(*command.split(), "--config", file)

    assert ended.code == 2
    assert ended.err.startswith(f"error: {what}"), ended.err
    assert f"{file}:{line})" in ended.err
    assert "horse" not in ended.err


@pytest.mark.parametrize(
    ("variable", "value", "command"),
    [
        ("ADVERTISEX_ALERTS__RULES__OWN__ABOVE", "1", "alerts list"),
        ("ADVERTISEX_ALERTS__CHANNELS", '["x"]', "alerts test"),
        ("ADVERTISEX_ELASTICSEARCH__CA_FILE", "x", "ledger --store elasticsearch://127.0.0.1:1"),
        ("ADVERTISEX_KAFKA__CLIENT", '{"ssl.ca.location": "x"}', "process --log kafka://127.0.0.1:1"),
        ("ADVERTISEX_LOG", "x", "process"),
    ],
)
def test_an_error_names_the_variable_or_the_flag(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, command: str
) -> None:
    monkeypatch.setenv(variable, value)
    ended = cli(*command.split())
    assert ended.code == 2
    assert f"{variable})" in ended.err


def test_an_error_names_the_flag_that_wins(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVERTISEX_STORE", "y")
    assert "(x://…)" not in cli("ledger", "--store", "y://z").err
    assert "(--store)" in cli("ledger", "--store", "x").err
    assert "(ADVERTISEX_STORE)" in cli("ledger").err


CLICK = '{"user_id": "u", "timestamp": "2026-01-05T10:00:00Z", "campaign_id": "c", "clicks": 1, "x": "1"}'


@pytest.mark.parametrize(
    ("before", "after", "what", "line"),
    [
        ("", "[feeds.clicks]\n\nidentity = ['user_id']", "setting feeds.clicks.identity: ", 3),
        ("", "[privacy]\npseudonym_key = 'sixteen letters.'", "", 0),
        ("[privacy]\npseudonym_key = 'sixteen letters.'", "[privacy]\n\n", "setting privacy.pseudonym_key: ", 1),
        ("[feeds.clicks.extra]\nx = 'text'", "[feeds.clicks.extra]\n\nx = 'flag'", "setting feeds.clicks.extra: ", 3),
    ],
)
def test_an_error_of_a_store_of_other_settings_names_the_line(
    cli: Cli, tmp_path: Path, before: str, after: str, what: str, line: int
) -> None:
    file = tmp_path / "advertisex.toml"
    file.write_text(before, encoding="utf-8")
    (tmp_path / "clicks.ndjson").write_text(CLICK, encoding="utf-8")
    assert cli("ingest", "clicks", "clicks.ndjson").code == 0
    assert cli("process").code == 0

    file.write_text(after, encoding="utf-8")
    ended = cli("process")

    assert ended.code == (2 if what else 0), ended.err
    assert ended.err.startswith(f"error: {what}" if what else "")
    assert f"advertisex.toml:{line})" in ended.err or not what
    if "identity" in what:
        found = {one["what"]: one["detail"] for one in cli("doctor", "--json").document["findings"]}
        assert f"advertisex.toml:{line})" in found["identities"]


def test_doctor_names_the_place(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text("log = 'x'\n\nstore = 'y'\n", encoding="utf-8")
    found = {one["what"]: one["detail"] for one in cli("doctor", "--json").document["findings"]}
    assert "advertisex.toml:1)" in found["log"]
    assert "advertisex.toml:3)" in found["store"]


def test_the_settings_of_an_earlier_command_name_no_place(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text("log = 'sqlite:///x.db'\n", encoding="utf-8")
    cli("process")
    assert "advertisex.toml" not in cli("demo", "--data", tmp_path).err
