"""A real browser for tests: Debian's chromium, or the one at `TEST_CHROMIUM`."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Path of the browser. Without one, the test is skipped, but fails in CI."""
    if found := os.environ.get("TEST_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None):
        return found
    absent = "chromium is not installed: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(absent, pytrace=False)
    pytest.skip(absent)


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """Headless chromium; as root, without its sandbox."""
    path = chromium()
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()
