"""Where the process that has a store open is reached: a socket beside the file of the store.

A path of more than 100 bytes cannot name a socket everywhere. Then, and where there are none, a file says which port of
the loopback interface it is, with a token that only the owner of the file can read.
"""

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_DUCKDB = "duckdb:///"

#: Maximum length of the path of a socket, in bytes; the kernels admit a few more.
_LONGEST_PATH = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process is reached.

    Attributes:
        socket: path of the socket; None for a port.
        port: port of the loopback interface.
        token: what a request must carry in its header Authorization; empty for a socket.
    """

    socket: Path | None = None
    port: int = 0
    token: str = ""


def socket_of(store_url: str) -> Path | None:
    """The path of the socket of an embedded store, whatever folder a process runs in; None of another store."""
    return Path(f"{store_url.removeprefix(_DUCKDB)}.socket").resolve() if store_url.startswith(_DUCKDB) else None


def found_at(path: Path) -> Place | None:
    """Find the process that has a store open; None if no process listens.

    Args:
        path: the socket of the store, see `socket_of`.
    """
    if _can_name(path):
        return Place(path) if _accepts(socket.AF_UNIX, str(path)) else None
    try:
        known = json.loads(_port_file(path).read_text(encoding="utf-8"))
        place = Place(None, int(known["port"]), str(known["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not 0 < place.port < 2**16 or not place.token.isascii() or not place.token.isprintable():
        return None
    return place if _accepts(socket.AF_INET, ("127.0.0.1", place.port)) else None


def _accepts(family: int, address: str | tuple[str, int]) -> bool:
    """Whether a process listens there; one that was killed may have left its socket."""
    with socket.socket(family) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
    return True


@contextmanager
def listening(path: Path) -> Iterator[tuple[socket.socket, str]]:
    """Listen where other processes look; only for the process that has the store open for writing.

    Yields:
        The socket, and the token that requests must carry; empty without one.

    Raises:
        OSError: it cannot listen there.
    """
    with _by_path(path) if _can_name(path) else _by_port(_port_file(path)) as found:
        yield found


@contextmanager
def _by_path(path: Path) -> Iterator[tuple[socket.socket, str]]:
    new = path.with_name(f"{path.name}.{os.getpid()}")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        new.unlink(missing_ok=True)
        listener.bind(str(new))
        new.chmod(0o600)  # nobody can connect before it listens
        listener.listen()
        new.replace(path)  # one that a killed process left
        try:
            yield listener, ""
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _by_port(file: Path) -> Iterator[tuple[socket.socket, str]]:
    token = secrets.token_urlsafe(32)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as opened:  # noqa: PTH123 - a descriptor
            json.dump({"port": listener.getsockname()[1], "token": token}, opened)
        try:
            yield listener, token
        finally:
            with suppress(FileNotFoundError):
                file.unlink()


def _can_name(path: Path) -> bool:
    return hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) + len(f".{2**22}") <= _LONGEST_PATH


def _port_file(path: Path) -> Path:
    return path.with_suffix(".port")
