"""A long-running command as a process, and what it logs."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_SECONDS = 60.0


class Running:
    """A long-running command."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._stderr = folder / "stderr.txt"
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "advertisex", *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    def lines(self) -> list[dict[str, Any]]:
        """Return the log so far; every line is a JSON object."""
        lines = self._stderr.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == name]

    def until(self, condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not (found := condition()):
            assert self.process.poll() is None, self._stderr.read_text()
            assert time.monotonic() < deadline, self._stderr.read_text()
            time.sleep(0.05)
        return found

    def catalogue_imports(self) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"].startswith("catalogue imported")]

    def counted(self) -> int:
        """Return the number of messages read, according to the metrics."""
        url = self.until(lambda: self.events("metrics are served"))[0]["url"]
        families = text_string_to_metric_families(httpx.get(url).text)
        return int(sum(s.value for f in families for s in f.samples if s.name == "advertisex_messages_total"))

    def end(self) -> dict[str, Any]:
        """Interrupt it; return the ledger that it prints."""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=TIMEOUT_SECONDS)
        assert self.process.returncode == 0, self._stderr.read_text()
        document: dict[str, Any] = json.loads(out)
        return document


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Running]:
    started = Running(folder, *arguments, "--json")
    try:
        yield started
    finally:
        started.process.kill()
        started.process.communicate()
