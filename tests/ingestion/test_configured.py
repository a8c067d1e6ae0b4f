"""The sources of the settings become sources with options."""

import re
import traceback
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from advertisex.errors import ConfigurationError
from advertisex.ingestion.configured import FeedSource, source_named, sources_of
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.auth import ApiKey, Auth, Basic, Bearer, ClientCredentials
from advertisex.ingestion.options.paginate import Paginate, PagingType
from advertisex.settings.load import load_settings
from advertisex.settings.model import Settings
from advertisex.settings.sources import AuthSettings, PaginateSettings, SourceSettings

SECRET = "correct-horse-battery"
ONE = '[[sources]]\nname = "one"\nfeed = "clicks"\nsource = "https://host/clicks"\n'


def load(folder: Path, text: str) -> Settings:
    (folder / "advertisex.toml").write_text(text, encoding="utf-8")
    return load_settings(folder / "advertisex.toml", {})


def source(folder: Path, text: str) -> FeedSource:
    return sources_of(load(folder, text))[0]


def error_of(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        sources_of(load(folder, text))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "auth"),
    [
        (f'type = "bearer", token = "{SECRET}"', Bearer(SECRET)),
        (f'type = "basic", user = "u", password = "{SECRET}"', Basic("u", SECRET)),
        (f'type = "api-key", name = "X-Key", value = "{SECRET}"', ApiKey("X-Key", SECRET)),
        (f'type = "api-key", name = "key", value = "{SECRET}", location = "query"', ApiKey("key", SECRET, "query")),
        (
            f'type = "oauth2", token_url = "https://host/token", client_id = "c", client_secret = "{SECRET}", '
            'scope = "read", extra = { audience = "ads" }, client_auth = "basic"',
            ClientCredentials("https://host/token", "c", SECRET, "read", {"audience": "ads"}, "basic"),
        ),
    ],
)
def test_authentication_by_value_and_by_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, auth: Auth
) -> None:
    monkeypatch.setenv("OUR_SECRET", SECRET)
    for given in (text, text.replace(SECRET, "env:OUR_SECRET")):
        found = source(tmp_path, f"{ONE}auth = {{ {given} }}")
        assert found.options.api.auth == auth
        assert SECRET not in repr(found)
        assert SECRET not in repr(load(tmp_path, f"{ONE}auth = {{ {given} }}"))


def test_every_part_of_authentication_and_paging_has_a_setting() -> None:
    for settings, options in zip(get_args(AuthSettings), get_args(Auth), strict=True):
        assert set(settings.model_fields) == {"type", *(part.name for part in fields(options))}
    assert set(PaginateSettings.model_fields) == {part.name for part in fields(Paginate)}
    assert get_args(PaginateSettings.model_fields["type"].annotation) == get_args(PagingType)


def test_every_option_of_apis_has_a_setting() -> None:
    assert {part.name for part in fields(ApiOptions)} <= set(SourceSettings.model_fields)


def test_the_settings_of_a_source_win_over_those_of_apis(tmp_path: Path) -> None:
    api = (
        "[api]\ntimeout = 7\nattempts = 2\nproxy = 'http://proxy'\nrequests_per_second = 3\n"
        "headers = { X-Both = 'api', X-Api = 'a' }\n"
    )
    own = "timeout = 9\nrequests_per_second = 0.5\nheaders = { x-both = 'own', X-Own = 'o' }\n"
    assert source(tmp_path, api + ONE + own).options.api == ApiOptions(
        headers={"X-Api": "a", "x-both": "own", "X-Own": "o"},
        timeout=9.0,
        attempts=2,
        proxy="http://proxy",
        requests_per_second=0.5,
    )


def test_how_an_api_is_read(tmp_path: Path) -> None:
    text = (
        'method = "POST"\nbody = "{}"\npaginate = { type = "cursor", cursor_path = "meta.after", param = "after" }\n'
        'max_pages = 3\ncursor = "updated_at"\nlookback = "P3D"\nsince = 2026-11-01\nevery = 60\n'
    )
    options = source(tmp_path, ONE + text).options
    assert (options.name, options.every, options.follow) == ("one", 60.0, True)
    assert options.api == ApiOptions(
        method="POST",
        body="{}",
        paginate=Paginate("cursor", cursor_path="meta.after", param="after"),
        max_pages=3,
        cursor="updated_at",
        lookback=timedelta(days=3),
        since="2026-11-01",
    )


@pytest.mark.parametrize(
    ("written", "since"),
    [
        ("2026-11-01T09:00:00Z", "2026-11-01T09:00:00Z"),
        ("2026-11-01T09:00:00", "2026-11-01T09:00:00"),
        ("1767603600", "1767603600"),
        ('"1 Nov"', "1 Nov"),
    ],
)
def test_a_start_in_the_notation_of_the_source_needs_no_quotes(tmp_path: Path, written: str, since: str) -> None:
    assert source(tmp_path, f'{ONE}cursor = "at"\nsince = {written}').options.api.since == since


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('auth = { type = "digest" }', r"sources\.0\.auth: expected the type bearer, basic, api-key or oauth2"),
        (f'auth = {{ token = "{SECRET}" }}', r"sources\.0\.auth: expected the type bearer"),
        (f'auth = {{ type = "basic", password = "{SECRET}" }}', r"sources\.0\.auth\.user"),
        (f'auth = {{ type = "bearer", tokn = "{SECRET}" }}', r"sources\.0\.auth\.token"),
        (f'auth = {{ type = "bearer", token = ["{SECRET}"] }}', r"sources\.0\.auth\.token"),
        (f'auth = "{SECRET}"', r"sources\.0\.auth"),
        (f'auth = {{ type = "bearer", token = "t", user = "{SECRET}" }}', r"sources\.0\.auth\.user: unknown setting"),
        ('auth = { type = "bearer", token = "env:NOT_SET" }', r"sources\.0\.auth\.token: env:NOT_SET"),
        (f'headers = {{ X-Key = ["{SECRET}"] }}', r"sources\.0\.headers\.X-Key"),
        ('paginate = { type = "link" }', r"sources\.0\.paginate\.type"),
        ('paginate = { type = "page", cursor_path = "x" }', r"sources\.0\.paginate\.cursor_path"),
        ('paginate = { type = "page", size = 3 }', r"sources\.0\.paginate\.size: unknown setting"),
        ('lookback = "P1D"', r"sources\.0\.lookback: a lookback needs a cursor"),
        ('lookback = "-P1D"\ncursor = "x"', r"sources\.0\.lookback"),
        ("max_pages = 0", r"sources\.0\.max_pages"),
        ("requests_per_second = 0", r"sources\.0\.requests_per_second"),
        ('name = "Two words"', r"sources\.0\.name: use a-z"),
        ('method = "PUT"', r"sources\.0\.method: expected GET or POST"),
        ('timeout = "2d"', r"sources\.0\.timeout: use more than 0 seconds, and at most a day"),
        ('format = "xml"', r"sources\.0\.format: unknown format 'xml'"),
        ('map = { a = "nothing" }', r"sources\.0\.map: clicks has no field 'nothing'"),
        ("retries = 3", r"sources\.0\.retries: unknown setting"),
    ],
)  # fmt: skip
def test_an_error_names_the_setting_and_shows_no_secret(tmp_path: Path, text: str, message: str) -> None:
    found = error_of(tmp_path, ONE.replace('name = "one"\n', "") + text)
    assert re.search(message, found), found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('lookback = "soon"', r"setting sources\.one\.lookback: expected a duration"),
        ('lookback = "12h"', r"setting sources\.one\.lookback: a lookback needs a cursor"),
        ('paginate = { type = "none", param = "x" }', r"setting sources\.one\.paginate\.param: param is not a part"),
        ('auth = { type = "bearer", token = "" }', r"setting sources\.one\.auth\.token: the value is empty"),
        ('headers = { "" = "x" }', r"setting sources\.one\.headers: the name of a header is empty"),
        ('feed = "x"', r"advertisex\.toml"),
    ],
)
def test_an_error_names_the_source(tmp_path: Path, text: str, message: str) -> None:
    assert re.search(message, error_of(tmp_path, ONE + text))


def test_a_source_whose_name_is_invalid_is_named_by_its_number(tmp_path: Path) -> None:
    assert error_of(tmp_path, ONE.replace("one", SECRET.upper())).startswith("setting sources.0.name: use a-z")


@pytest.mark.parametrize("text", ["sources = 3", "sources = 'x'", "feeds = 3", "sources = [3]", "api = 3"])
def test_a_value_in_place_of_a_table_is_an_error(tmp_path: Path, text: str) -> None:
    assert error_of(tmp_path, text).startswith(f"setting {text.partition(' ')[0]}")


def test_names_are_unique(tmp_path: Path) -> None:
    assert "setting sources: the name 'one' is given twice" in error_of(tmp_path, ONE + ONE)
    unnamed = ONE.replace('name = "one"\n', "")
    assert len(sources_of(load(tmp_path, unnamed + ONE + ONE.replace("one", "two")))) == 3


@pytest.mark.parametrize("source", ["https://h/x?token=a", "a.csv", "s3://bucket/a/"])
def test_a_source_that_occurs_twice_is_an_error(tmp_path: Path, source: str) -> None:
    entry = f'[[sources]]\nfeed = "clicks"\nsource = "{source}"\n'
    again = entry.replace("token=a", "token=b")
    error = error_of(tmp_path, entry + again)
    assert "setting sources.1: sources.1 and sources.0 are the same source (" in error
    assert "advertisex.toml:4); give them names" in error
    assert len(sources_of(load(tmp_path, entry + again + 'name = "other"\n'))) == 2


def test_a_source_is_found_by_its_name(tmp_path: Path) -> None:
    settings = load(tmp_path, ONE + ONE.replace("one", "two"))
    assert source_named(settings, "two").shown == "two"
    with pytest.raises(ConfigurationError, match=r"no source is named 'three' .* use one of one, two"):
        source_named(settings, "three")
    with pytest.raises(ConfigurationError, match="give a source in the settings a name"):
        source_named(load(tmp_path, ""), "three")


def test_paths_of_certificates_are_relative_to_the_folder_of_the_settings(tmp_path: Path) -> None:
    settings = load(tmp_path, f"[api]\nca_file = 'a.pem'\n{ONE}ca_file = 'b.pem'")
    assert (settings.api.ca_file, settings.sources[0].ca_file) == (tmp_path / "a.pem", tmp_path / "b.pem")
