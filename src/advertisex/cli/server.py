"""The option `--server`: a command is answered by a server that `advertisex serve` has started elsewhere.

The server reads its own log and store, with its own settings. What it has found travels as an object, and the command
prints it as if it had found it itself. So an option that names something here cannot be combined with it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, TypeVar

import typer

from advertisex.cli.options import SHARED
from advertisex.cli.progress import progress
from advertisex.errors import ConfigurationError, StoreInterrupted
from advertisex.settings.environment import TOKEN_VARIABLE

if TYPE_CHECKING:
    from advertisex.connection import Connection

T = TypeVar("T")

#: Seconds to wait for an answer: a question can take minutes, and waits for others.
_SECONDS = 3_600.0

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="URL",
        help=f"Ask this server of `advertisex serve` instead; its token is in {TOKEN_VARIABLE}.",
        rich_help_panel=SHARED,
    ),
]


class Server:
    """Asks a server, and shows on a terminal that it does."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection

    def get(self, path: str, options: Mapping[str, Any], kind: type[T]) -> T:
        """Return what the API gives at a path, as an object."""
        with progress("waiting for the server", None):
            return self._connection.packed(path, options, kind)

    def post(self, path: str, options: Mapping[str, Any], kind: type[T]) -> T:
        """Let the server change something, and return what it has done, as an object."""
        from advertisex.connection import UNKNOWN_RESULT  # noqa: PLC0415 - httpx is slow to import

        try:
            with progress("waiting for the server", None):
                return self._connection.packed(path, options, kind, method="POST")
        except KeyboardInterrupt:
            raise StoreInterrupted("interrupted before the server responded", hint=UNKNOWN_RESULT) from None

    def download(
        self, path: str, options: Mapping[str, Any], to: BinaryIO, kind: str, numbers: Sequence[str] = ()
    ) -> list[int]:
        """Write what the API gives at a path to a file; see `Connection.download`."""
        with progress("waiting for the server", None):
            return self._connection.download(path, options, to, kind, numbers)

    def upload(self, file: Path) -> str:
        """Upload a file, and return its id."""
        with progress(f"sending {file.name}", None):
            return self._connection.upload(file)


@contextmanager
def asked(url: str, **local: Any) -> Iterator[Server]:
    """Connect to a server.

    Args:
        url: its address.
        local: options that name something on this machine, by their names.

    Raises:
        ConfigurationError: one of these options is given, or the address or the token is not valid.
    """
    from advertisex.connection import Connection  # noqa: PLC0415 - httpx is slow to import

    for name, value in local.items():
        if value is not None:
            hint = "the server reads its own log and store, with its own settings"
            raise ConfigurationError(f"--{name} cannot be combined with --server", hint=hint)
    token = os.environ.get(TOKEN_VARIABLE) or None
    advice = f"set {TOKEN_VARIABLE} to a token that `advertisex token` has made"
    with closing(Connection(url, token=token, timeout=_SECONDS, unauthorized=advice)) as connection:
        yield Server(connection)
