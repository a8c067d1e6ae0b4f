"""Every error of a setting names its key and where it was given, in our words."""

import os
from pathlib import Path
from typing import Any

import pytest

from advertisex.errors import ConfigurationError
from advertisex.ingestion.configured import sources_of
from advertisex.processing.configured import processing_of
from advertisex.settings.load import load_settings
from advertisex.settings.toml_file import read_settings_file

#: Words of the libraries that read settings.
FOREIGN = ("Input", "Field required", "validation", "pydantic", "Errno", "Cannot", "Unclosed", "Expected", "Extra")
SECRET = "correct-horse"
#: The fault is on the first line of a file without ABOVE, since it is in no table.
TOP = 0
ABOVE = "# a comment\n\n[metrics]\nhost = '127.0.0.1'\n\n"


def load_and_check(file: Path | None, flags: dict[str, Any]) -> None:
    settings = load_settings(file, flags)
    processing_of(settings)
    sources_of(settings)


def error_of(file: Path | None = None, **flags: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load_and_check(file, flags)
    text = str(caught.value)
    assert not [word for word in FOREIGN if word in text], text
    assert SECRET not in text
    assert "\n" not in text
    return caught.value


SOURCE = "[[sources]]\nfeed = 'clicks'\nsource = 'x'\n"
#: Kind of fault: the key, the text of the file below ABOVE, and the line in it that has the fault.
IN_FILES = {
    "wrong type": ("batch_size", "batch_size = 'many'", TOP),
    "true as a number": ("batch_size", "batch_size = true", TOP),
    "out of range": ("log.keep_days", "[log]\nurl = 'sqlite:///x'\nkeep_days = 0", 3),
    "a URL without its table": ("log.url", "log = ''", TOP),
    "a dotted key": ("log.keep_days", "log.keep_days = 0", TOP),
    "unknown key": ("policy.bloked_users", "[policy]\nbloked_users = ['u']", 2),
    "unknown table": ("polcy", "[polcy]\nx = 1", 1),
    "unknown setting": ("batch_sise", "batch_sise = 1", TOP),
    "bad enum": ("elasticsearch.period", "[elasticsearch]\nshards = 1\n\nperiod = 'week'", 4),
    "a text for a list": ("policy.blocked_sites", "[policy]\nblocked_sites = 'x'", 2),
    "a later check": ("policy.blocked_sites", "[policy]\nblocked_sites = [\n  'a.com',\n  'not a host',\n]", 2),
    "bad secret reference": ("privacy.pseudonym_key", "[privacy]\npseudonym_key = 'env:NOT_SET_ANYWHERE'", 2),
    "a secret that is too short": ("privacy.pseudonym_key", "[privacy]\npseudonym_key = 'horse'", 2),
    "a header in a table": ("sources.0.headers.X", f"{SOURCE}[sources.headers]\nX = 'file:/not/there'", 5),
    "missing key": ("sources.1.feed", f"{SOURCE}\n[[sources]]\nsource = 'y'", 5),
    "a named source": ("sources.shop.every", f"{SOURCE}\n{SOURCE}name = 'shop'\nevery = 'soon'", 9),
    "a check of sources": ("sources.0.quote", f"{SOURCE}quote = 'ab'", 4),
    "a source that occurs twice": ("sources.1", f"{SOURCE}\n{SOURCE}", 5),
    "a multi-line list": ("alerts.days_off", "[alerts]\ndays_off = [\n  'sunday',\n  'easter',\n]", 2),
    "an inline table": ("times.zone", "times = { formats = [], zone = 'Mars' }", TOP),
    "bad alias": ("feeds.clicks.aliases", "[feeds.clicks]\ntopic = 't'\n[feeds.clicks.aliases]\nwho = 'usr'", 4),
    "bad identity": ("feeds.clicks.identity", "[feeds.clicks]\n\nidentity = ['nothing']", 3),
    "bad own field": ("feeds.clicks.extra", "[feeds.clicks.extra]\na = 'text'\ncampaign_id = 'text'", 3),
    "unknown feed": ("feeds.views", "[feeds.views]\ntopic = 'x'", 1),
    "shared topics": ("feeds.*.topic", "[feeds.clicks]\ntopic = 't'\n[feeds.bids]\ntopic = 't'", 2),
    "bad API": ("api.proxy", "[api]\nproxy = 'x y'", 2),
    "bad TOML": ("batch_size", "batch_size = many", TOP),
    "an open quote": ("privacy.pseudonym_key", f"[privacy]\npseudonym_key = '{SECRET}", 2),
    "an open list": ("policy.blocked_users", "[policy]\nblocked_users = [\n  'u-1',\n", 2),
    "duplicate key": ("policy.negative_users", "[policy]\nnegative_users = true\nnegative_users = false", 3),
    "duplicate key of a table": ("log.keep_days", "[log]\nkeep_days = 3\nkeep_days = 4\n", 3),
    "duplicate table": ("metrics", "[metrics]\nport = 1", 1),
    "duplicate key inline": ("times", "times = { zone = 'UTC', zone = 'UTC' }", TOP),
}  # fmt: skip


@pytest.mark.parametrize("kind", IN_FILES)
def test_a_fault_of_the_file_names_the_line_and_the_key(tmp_path: Path, kind: str) -> None:
    key, text, line = IN_FILES[kind]
    file = tmp_path / "own.toml"
    above = ABOVE if line else ""
    file.write_text(above + text, encoding="utf-8")

    error = error_of(file)

    assert error.what.startswith(f"setting {key}"), error
    assert error.where.split(", ")[0] == f"{file}:{len(above.splitlines()) + line or 1}", error
    assert error.hint


#: Kind of fault: the key, the variable, and its value.
IN_VARIABLES = {
    "wrong type": ("batch_size", "ADVERTISEX_BATCH_SIZE", "many"),
    "out of range": ("log.keep_days", "ADVERTISEX_LOG__KEEP_DAYS", "0"),
    "an empty URL": ("log.url", "ADVERTISEX_LOG", ""),
    "unknown key": ("policy.bloked", "ADVERTISEX_POLICY__BLOKED", "1"),
    "unknown table": ("polcy.x", "ADVERTISEX_POLCY__X", "1"),
    "unknown setting": ("batchsize", "ADVERTISEX_BATCHSIZE", "1"),
    "no setting": ("config", "ADVERTISEX_CONFIG", "x.toml"),
    "bad enum": ("elasticsearch.period", "ADVERTISEX_ELASTICSEARCH__PERIOD", "week"),
    "bad secret reference": ("privacy.pseudonym_key", "ADVERTISEX_PRIVACY__PSEUDONYM_KEY", "file:/not/there"),
    "a short secret": ("privacy.pseudonym_key", "ADVERTISEX_PRIVACY__PSEUDONYM_KEY", "horse"),
    "bad JSON": ("policy.blocked_users", "ADVERTISEX_POLICY__BLOCKED_USERS", f"[{SECRET}"),
    "bad JSON of a table": ("policy", "ADVERTISEX_POLICY", "x"),
    "in JSON": ("policy.negative_users", "ADVERTISEX_POLICY", '{"negative_users": "perhaps"}'),
    "missing in JSON": ("sources.0.feed", "ADVERTISEX_SOURCES", '[{"source": "x"}]'),
    "a later check": ("policy.blocked_sites", "ADVERTISEX_POLICY__BLOCKED_SITES", '["not a host"]'),
    "a check of sources": ("sources.0.quote", "ADVERTISEX_SOURCES", '[{"feed":"bids","source":"x","quote":"ab"}]'),
    "bad alias": ("feeds.clicks.aliases", "ADVERTISEX_FEEDS__CLICKS__ALIASES", '{"who": "usr"}'),
    "lower case": ("batch_size", "advertisex_batch_size", "-1"),
}


@pytest.mark.parametrize("kind", IN_VARIABLES)
def test_a_fault_of_the_environment_names_the_variable_and_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    key, variable, value = IN_VARIABLES[kind]
    monkeypatch.setenv("ADVERTISEX_MEMORY", "1GB")
    monkeypatch.setenv(variable, value)
    file = tmp_path / "own.toml"
    file.write_text("batch_size = 5\n", encoding="utf-8")

    error = error_of(file)

    assert error.what.startswith(f"setting {key}: "), error
    assert error.where == variable
    assert error.hint


@pytest.mark.parametrize(
    ("key", "flag", "value"),
    [
        ("batch_size", "--batch-size", 0), ("batch_size", "--batch-size", "many"), ("log.url", "--log", ""),
        ("store.url", "--store", "env:NOT_SET_ANYWHERE"), ("data", "--data", 3), ("catalogue", "--catalogue", 3),
        ("bogus", "--bogus", 3),
    ],
)  # fmt: skip
def test_a_fault_of_a_flag_names_the_flag_whatever_else_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, flag: str, value: Any
) -> None:
    monkeypatch.setenv("ADVERTISEX_BATCH_SIZE", "5")
    file = tmp_path / "own.toml"
    file.write_text("batch_size = 6\nlog = 'sqlite:///x'\n", encoding="utf-8")

    error = error_of(file, **{key.partition(".")[0]: value})

    assert error.what.startswith(f"setting {key}: "), error
    assert (error.where, bool(error.hint)) == (flag, True)


def test_the_place_of_a_value_is_where_it_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[log]\nkeep_days = 0\nkeep_size = '1GB'\n", encoding="utf-8")
    monkeypatch.setenv("ADVERTISEX_LOG__KEEP_SIZE", "2GB")
    assert error_of(file).where == f"{file}:2"
    monkeypatch.setenv("ADVERTISEX_LOG__KEEP_DAYS", "-1")
    assert error_of(file).where == "ADVERTISEX_LOG__KEEP_DAYS"


@pytest.mark.parametrize("kind", ["missing", "folder", "binary", "unreadable"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "own.toml"
    if kind == "folder":
        file.mkdir()
    elif kind != "missing":
        file.write_bytes(b"a = '\xff'")
    if kind == "unreadable":
        if os.geteuid() == 0:
            pytest.skip("root can read every file")
        file.chmod(0)
    error = error_of(file)
    why = {"missing": "the file does not exist", "folder": "it is a folder, not a file"}.get(kind, "")
    assert error.what.startswith(f"could not read the settings: {why}")
    assert error.where == str(file)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("a",), 1), (("b",), 3), (("b", 1), 3), (("t", "x"), 8), (("t", "y", "z"), 9), (("s", 0), 11), (("s", 1), 13),
        (("s", 1, "q"), 14), (("s", 1, "gone", "deep"), 13), (("m",), 15), (("t", "long"), 10),
    ],
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_line_of_a_setting_is_that_of_its_statement(
    tmp_path: Path, keys: tuple[str | int, ...], line: int, newline: str
) -> None:
    lines = [
        "a = 1", "# b = 2", "b = [", "  1,", "  2,", "]", "[t]", "x = 1", "y.z = 2", "long = 3", "[[s]]", "p = 1",
        "[[s]]", "q = 2", "[m]", 'text = """', "a = 5", '"""', "",
    ]  # fmt: skip
    file = tmp_path / "own.toml"
    file.write_bytes(newline.join(lines).encode())
    assert read_settings_file(file).place_of(keys) == f"{file}:{line}"
