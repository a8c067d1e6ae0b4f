"""The options for HTTP APIs win over the settings, and their errors name the option."""

import inspect
from datetime import timedelta
from typing import Any

import pytest

from advertisex.cli.api_flags import api_flags
from advertisex.cli.source_options import source_options
from advertisex.errors import ConfigurationError
from advertisex.ingestion.configured import api_options
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.paginate import Paginate
from advertisex.questions.reading import given_options
from advertisex.settings.sources import ApiSettings


def test_options_win_over_settings() -> None:
    settings = ApiSettings(headers={"X-A": "b"}, attempts=9, timeout=8.0, retry_wait=7.0)
    flags = api_flags(attempts=2, retry_wait="500ms")
    assert api_options(settings, flags) == ApiOptions(headers={"X-A": "b"}, attempts=2, timeout=8.0, retry_wait=0.5)
    assert api_options(settings, api_flags()).attempts == 9


def test_options_say_how_an_api_is_read() -> None:
    flags = api_flags(paginate="page", max_pages=7, cursor="updated_at", lookback="3d", since="2026-11-01")
    assert api_options(ApiSettings(), flags) == ApiOptions(
        paginate=Paginate("page"), max_pages=7, cursor="updated_at", lookback=timedelta(days=3), since="2026-11-01"
    )


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        ({"attempts": 0}, "--attempts"),
        ({"timeout": "2d"}, "--timeout"),
        ({"timeout": "soon"}, "--timeout"),
        ({"retry_wait": "0s"}, "--retry-wait"),
        ({"max_pages": 0}, "--max-pages"),
        ({"lookback": "soon"}, "--lookback"),
        ({"paginate": "guess"}, "--paginate"),
        ({"paginate": "cursor:x=1"}, "--paginate"),
    ],
)
def test_an_invalid_option_is_named(flags: dict[str, Any], flag: str) -> None:
    with pytest.raises(ConfigurationError, match=flag):
        api_flags(**flags)


@pytest.mark.parametrize(
    ("flags", "flag"),
    [({"lookback": "12h"}, "--lookback"), ({"cursor": " "}, "--cursor"), ({"cursor": "x", "lookback": "0.5"}, None)],
)
def test_options_that_do_not_fit_together_are_named(flags: dict[str, Any], flag: str | None) -> None:
    options = api_options(ApiSettings(), api_flags(**flags))
    if flag is None:
        options.check()
        return
    with pytest.raises(ConfigurationError) as caught:
        options.check()
    assert caught.value.where == flag


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"rename": ["a=user_id"]}, "--map"), ({"constant": ["campaign=c"]}, "--set"),
        ({"time_format": ["%Y-%m-%d"]}, "--time-format"), ({"format_": "csv"}, "--format"),
        ({"encoding": "cp1252"}, "--encoding"), ({"decimal": ","}, "--decimal"), ({"thousands": "."}, "--thousands"),
        ({"records": "data"}, "--records"), ({"inherit": ["a=user_id"]}, "--inherit"),
        ({"columns": "a,b"}, "--columns"),
        ({"delimiter": ";"}, "--delimiter"), ({"quote": "'"}, "--quote"), ({"escape": "!"}, "--escape"),
        ({"multiline": True}, "--multiline"), ({"skip": 1}, "--skip"),
    ],
)  # fmt: skip
def test_every_option_of_a_source_is_known_to_be_given(given: dict[str, Any], option: str) -> None:
    assert given_options(source_options(**given)) == [option]
    assert given_options(source_options()) == []


def test_the_options_of_a_source_are_those_of_the_test_above() -> None:
    assert len(inspect.signature(source_options).parameters) == 15
