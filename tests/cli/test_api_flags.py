"""The options for HTTP APIs win over the settings, and their errors name the option."""

from typing import Any

import pytest

from advertisex.cli.api_flags import api_flags
from advertisex.errors import ConfigurationError
from advertisex.ingestion.api_options import ApiOptions
from advertisex.ingestion.options import IngestOptions
from advertisex.settings.model import ApiSettings


def test_options_win_over_settings() -> None:
    settings = ApiSettings(headers={"X-A": "b"}, attempts=9, timeout=8.0, retry_wait=7.0)
    flags = api_flags(attempts=2, retry_wait="500ms")
    assert IngestOptions().with_api(settings, flags).api == ApiOptions(
        headers={"X-A": "b"}, attempts=2, timeout=8.0, retry_wait=0.5
    )
    assert IngestOptions().with_api(settings, api_flags()).api.attempts == 9


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        ({"attempts": 0}, "--attempts"),
        ({"timeout": "2d"}, "--timeout"),
        ({"timeout": "soon"}, "--timeout"),
        ({"retry_wait": "0s"}, "--retry-wait"),
    ],
)
def test_an_invalid_option_is_named(flags: dict[str, Any], flag: str) -> None:
    with pytest.raises(ConfigurationError, match=flag):
        api_flags(**flags)
