"""The adapters that the contract suites run over: another one is another line."""

from collections.abc import Callable
from pathlib import Path

#: For each kind of log, the URL of one that lives in a folder, so that other processes can open it too.
LOGS: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder / 'log.db'}",
}
