"""One run of a workload: a folder with its inputs and settings, and the commands that run in it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.load import load_settings
from advertisex.simulator import BLOCKED_SITES, BLOCKED_USERS
from advertisex.stores.contract import EventStore
from advertisex.stores.open import open_store
from tests.faults.api import Api
from tests.faults.pairs import Pair
from tests.faults.workload import ENDINGS, Workload

ROOT = Path(__file__).parents[2]
#: Begins each secret in the settings of a round, and must not be in anything that a command writes.
SECRET = "canary-3f9c1b77d2"
#: Size of the disk of a round.
DISK_BYTES = 400 << 20
#: A command that takes longer hangs.
SECONDS = 180.0
_SETTINGS = """
data = {data}
catalogue = "catalogue.csv"
{pair}
[policy]
blocked_users = {users}
blocked_sites = {sites}
[api]
retry_wait = 0.05
headers = {{ Authorization = "Bearer {secret}-header" }}
[alerts]
channels = [{channel}]
[[sources]]
feed = "impressions"
source = {url}
every = 0.1
[[sources]]
feed = "clicks"
source = "in/clicks"
every = 0.05
[[sources]]
feed = "bids"
source = "in/bids"
every = 0.05
"""


@dataclass
class Ended:
    """How a command ended.

    Attributes:
        command: what was run.
        code: its exit code; negative: the signal that ended it.
        out: what it printed.
        err: what it printed on stderr.
        peak: its peak memory in bytes.
        seconds: how long it ran.
        session: the session of its processes.
        signals: what was sent to it; SIGKILL also if strace was to send it.
        killed_workers: how many of its workers were killed.
    """

    command: str
    code: int
    out: str
    err: str
    peak: int
    seconds: float
    session: int
    signals: frozenset[int]
    killed_workers: int = 0


class Running:
    """A command that runs in a session of its own."""

    def __init__(self, world: "World", arguments: Sequence[str], wrapped_in: Sequence[str], more: dict[str, str]):
        self.command = " ".join(arguments)
        self._began = time.monotonic()
        world.commands += 1
        self._out = world.outputs / f"{world.commands}.out"
        self._err = self._out.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*wrapped_in, sys.executable, "-m", "advertisex", *arguments],
                cwd=world.folder,
                env=world.environment | more,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self._code: int | None = None
        self._peak = 0
        self.signals = {signal.SIGKILL} if any("signal=KILL" in text for text in wrapped_in) else set[int]()

    @property
    def running(self) -> bool:
        return self._poll(os.WNOHANG) is None

    @property
    def has_begun(self) -> bool:
        """Whether it has logged something: before, Python itself may take a signal."""
        return self._err.stat().st_size > 0

    def signal(self, number: int) -> bool:
        """Send a signal to the command itself, not to its children; return whether it still ran."""
        if not self.running:
            return False
        self.signals.add(number)
        self.process.send_signal(number)
        return True

    def end(self) -> None:
        """Kill it and its children, if it still runs."""
        if self.running:
            os.killpg(self.process.pid, signal.SIGKILL)
            self._poll(0)

    def sleep(self, seconds: float) -> None:
        """Wait for a time, or until it has ended."""
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            time.sleep(0.005)

    def children(self) -> list[int]:
        """The processes that it has started."""
        threads = Path(f"/proc/{self.process.pid}/task")
        with suppress(OSError):
            return [int(pid) for thread in threads.iterdir() for pid in (thread / "children").read_text().split()]
        return []

    def wait(self, seconds: float = SECONDS) -> Ended:
        """Wait for its end; kill it if it takes too long."""
        self.sleep(seconds)
        if hangs := self.running:
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self._poll(0) or 0
        out, err = (path.read_text(errors="replace") for path in (self._out, self._err))
        text = f"{err}\nHANGS: no end within {seconds:g} s" if hangs else err
        seconds, session = time.monotonic() - self._began, self.process.pid
        return Ended(self.command, code, out, text, self._peak, seconds, session, frozenset(self.signals))

    def _poll(self, options: int) -> int | None:
        if self._code is None:
            pid, status, usage = os.wait4(self.process.pid, options)
            if pid:
                self._code = self.process.returncode = os.waitstatus_to_exitcode(status)
                self._peak = usage.ru_maxrss * 1024
        return self._code


class World:
    """A folder with the inputs of a workload, on a disk of its own if that is possible.

    Args:
        folder: the folder, which does not exist.
        workload: what is run in it.
        pair: the log and the store.
        run: name of this run; unique on servers.
    """

    def __init__(self, folder: Path, workload: Workload, pair: Pair, run: str) -> None:
        self.folder, self.outputs = folder / "disk", folder / "out"  # a full disk is not ours
        self.workload, self.pair, self.run = workload, pair, run
        self.data = self.folder / "data"
        self.commands = 0
        self.api = Api(SECRET)
        self._started: list[Running] = []

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        self.outputs.mkdir()
        self.has_disk = mount(self.folder)
        for name in ("tmp", "home", "parts", *(f"in/{feed}" for feed in ENDINGS)):
            (self.folder / name).mkdir(parents=True)
        for part, feeds in enumerate(self.workload.parts):
            for feed in feeds:
                path = self.folder / "parts" / f"{part}.{feed}.{ENDINGS[feed]}"
                path.write_bytes(self.workload.file_of(feed, part))
        for name, text in zip(("catalogue.csv", "catalogue2.csv"), self.workload.catalogues, strict=True):
            (self.folder / name).write_text(text)
        (self.folder / "advertisex.toml").write_text(
            _SETTINGS.format(
                data=json.dumps(str(self.data)),
                pair=self.pair.settings(self.run, SECRET),
                users=json.dumps(BLOCKED_USERS),
                sites=json.dumps(BLOCKED_SITES),
                url=json.dumps(self.api.url),
                channel=json.dumps(self.api.channel),
                secret=SECRET,
            )
        )
        self.settings = load_settings(self.folder / "advertisex.toml", {}, environment=False)
        self.feeds = configured_feeds(self.settings)
        return self

    def __exit__(self, *_: object) -> None:
        for running in self._started:
            running.end()
        self.api.close()
        if self.has_disk:
            unmount(self.folder)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ADVERTISEX_")}
        own = {"TMPDIR": str(self.folder / "tmp"), "HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT / "src")}
        return kept | own

    def start(self, arguments: Sequence[str], wrapped_in: Sequence[str] = (), **more: str) -> Running:
        running = Running(self, arguments, wrapped_in, more)
        self._started.append(running)
        return running

    def log(self) -> EventLog:
        return open_log(self.settings.log_url, create=False, kafka=self.settings.kafka)

    def store(self) -> EventStore:
        return open_store(self.settings.store_url, read_only=True, elasticsearch=self.settings.elasticsearch)


def mount(folder: Path) -> bool:
    """Mount an empty disk of `DISK_BYTES` in memory, if we may."""
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "advertisex-faults", str(folder)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


def remount(folder: Path, options: str) -> bool:
    """Change the size of the disk, or whether it can be written."""
    command = ["mount", "-o", f"remount,{options}", str(folder)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0


def unmount(folder: Path) -> None:
    with suppress(OSError):
        subprocess.run(["umount", "-l", str(folder)], stderr=subprocess.DEVNULL, check=False)
