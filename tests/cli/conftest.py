"""Commands on the screen: what they print on terminals of three widths, in this process."""

import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from advertisex.cli.main import run as run_program
from advertisex.monitoring.rules import Key
from advertisex.monitoring.state_store import Evaluated, save_evaluated, save_states
from advertisex.monitoring.states import State
from advertisex.simulator import SimulationSettings, write_files
from advertisex.stores.open import open_store
from tests.cli.terminal import terminal

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)((T|\s+)\d\d:\d\d(:\d\d(\.\d+)?)?)?")
_DELAYS = re.compile(r"(^Ingestion delay.*?\n\n)+", re.DOTALL | re.MULTILINE)
_DELAY = re.compile(r"^delay +[\d,]+ d( \d+ h)?$", re.MULTILINE)
_SIZE = re.compile(r"[\d.]+ (MB|GiB)")


FEEDS = {"impressions": "impressions.ndjson", "clicks": "clicks.csv", "bids": "bids.avro"}
PARTNER = "partner-0001-0002-0003-0004-0005-0006-0007-0008-0009-000a-000b-000c-000d-000e-000f"
ALERT = State(
    Key("campaign_ctr", "clicks", "cmp001"), "critical", "firing",
    datetime(2026, 1, 8, 12), datetime(2026, 1, 8, 13), 3, 0.12, 0.0123, 0.01, 0.02, notified={"operations": "firing"},
    undelivered={"telephone": "the server answered 503: try again later, when it is not under maintenance"},
)  # fmt: skip


@contextmanager
def commands_in(folder: Path) -> Iterator[None]:
    """Run commands in a folder, with the terminal, the time zone and the settings of nobody."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TERM", "xterm-256color")
        patch.setenv("TZ", "UTC")
        for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
            patch.delenv(name, raising=False)
        time.tzset()
        yield
    time.tzset()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def run(*arguments: str) -> int:
    """Run a command and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["advertisex", *arguments])
        with pytest.raises(SystemExit) as ended:
            run_program()
    return int(ended.value.code or 0)


def printed(width: int, *arguments: str) -> str:
    """Run a command in a terminal of this width, and return what it prints, with its styles."""
    with terminal(width, 1) as written:
        run(*arguments)
    return written.text


Screen = Callable[..., str]


def steady(text: str) -> str:
    """Remove the styles of a text, and what differs each time: recent times, delays and sizes."""
    since = f"{datetime.now(UTC) - timedelta(days=40):%Y-%m-%d}"

    def hidden(found: re.Match[str]) -> str:
        return re.sub(r"\d", "0", found[0]) if found[1] >= since else found[0]

    without = _DELAY.sub("delay 0 d", _DELAYS.sub("", _STYLE.sub("", text)))
    return _SIZE.sub(r"0 \1", _TIME.sub(hidden, without))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sources and processed data."""
    folder = tmp_path_factory.mktemp("screens")
    write_files(folder, SimulationSettings(events=4_000))
    catalogue = (folder / "catalogue.csv").read_text().splitlines()
    (folder / "other.csv").write_text(
        "\n".join([*catalogue[:2], *catalogue[4:], f"{PARTNER},cmp001,adv01", "cr00001,c,a"])
    )
    (folder / "partner.csv").write_text(
        "Date,Campaign ID,Impr.,Clicks\n2026-01-08,cmp001,30,2\n2026-01-09,cmp001,31,0\nTotal,,61,2\n"
    )
    with (folder / "advertisex.toml").open("a") as settings:
        settings.write('[[sources]]\nname = "shop"\nfeed = "clicks"\nsource = "/data/exports/*.csv"\n')
        settings.write('[[sources]]\nfeed = "clicks"\n')
        settings.write(f'source = "https://api.example.com/v2/{PARTNER}/conversions?since=yesterday"\n')
    with commands_in(folder):
        for feed, file in FEEDS.items():
            assert run("ingest", feed, file) == 0
        assert run("process") == 0
        run(
            "rejects",
            "replay",
            "--reason",
            "bad_website",
            "--feed",
            "impressions",
            "--set",
            "website=b.example",
            "--yes",
        )
        assert run("process") == 0
        assert run("erase", "u12345678", "--yes") == 0
        with open_store(f"duckdb:///{folder}/.advertisex/store.duckdb", read_only=False) as store:
            save_states(store, {}, {ALERT.key: ALERT})
            save_evaluated(store, Evaluated(datetime(2026, 1, 8, 13), {}))
    return folder


@pytest.fixture
def folder(prepared: Path) -> Iterator[Path]:
    """The prepared folder, in which the commands run."""
    with commands_in(prepared):
        yield prepared
