"""A wall clock that a fault moves, for processes that preload `clock.c`."""

import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_suffix(".c")


def can_move_clock() -> bool:
    """Whether the library can be compiled here."""
    return shutil.which("cc") is not None


class MovedClock:
    """The clock of a command.

    Args:
        folder: a folder for the library and for the offset, which the commands do not use.
    """

    def __init__(self, folder: Path) -> None:
        self._library, self._offset = folder / "clock.so", folder / "clock"
        if not self._library.exists():
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", self._library, _SOURCE], check=True)
        self._offset.write_bytes(bytes(8))

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a command that has this clock."""
        return {"LD_PRELOAD": str(self._library), "FAULTS_CLOCK": str(self._offset)}

    def set(self, seconds: int) -> None:
        """Set the difference to the real time, in seconds; the command follows at once."""
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", seconds))
