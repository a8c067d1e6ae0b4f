import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from advertisex.masking import forget
from tests.budget import examples

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = ["tests.servers.fixtures"]

# no test depends on the machine's speed
settings.register_profile("advertisex", deadline=None, print_blob=True, max_examples=examples(100))
settings.load_profile("advertisex")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Let SIGINT interrupt the commands that the tests start, even if this run ignores it, as under `nohup`.

    Nor do they get the width of the terminal of this run, which its workers have in their environment.
    """
    os.environ.pop("COLUMNS", None)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # children would inherit that
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for a server."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True)
def no_known_secrets() -> Iterator[None]:
    """Forget the secrets of a test, which are words that another one may print."""
    yield
    forget()


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """A real browser; there can be only one for all tests of a process."""
    from tests.browser import opened_browser  # few tests need it

    with opened_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """The folder of one set of real inputs; they live beside the repository, not in it."""

    def folder(name: str) -> Path:
        path = SHARED / name
        if path.exists():
            return path
        missing = f"real inputs are missing: {path.name} is not in ../shared/data"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    return folder
