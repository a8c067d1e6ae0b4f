"""A real browser for tests: Debian's chromium, or what `ADVERTISEX_TEST_CHROMIUM` names."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Where it is; the test is skipped where it is nowhere, except in CI."""
    if found := os.environ.get("ADVERTISEX_TEST_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None):
        return found
    absent = "no chromium is installed: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(absent, pytrace=False)
    pytest.skip(absent)


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """Chromium without a window; as root it has no sandbox."""
    path = chromium()
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()
