"""Runs Azurite, Microsoft's local Azure Blob Storage, on this machine; npm downloads it once into the cache."""

import base64
import hashlib
import hmac
import http.client
import os
import shutil
import subprocess
import tempfile
from email.utils import formatdate
from pathlib import Path

from tests.servers.artifacts import cache_folder
from tests.servers.errors import ServerError
from tests.servers.local_server import HOST, LocalServer
from tests.servers.process import ServerProcess

VERSION = "3.37.0"
ACCOUNT = "devstoreaccount1"
#: The published key of the emulator, which is not a secret.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_API = "2021-12-02"
_INSTALL_SECONDS = 240


class LocalAzurite(LocalServer):
    """Azure Blob Storage for tests: `with LocalAzurite() as azurite: ... azurite.environment`."""

    name = "Azurite"

    @property
    def url(self) -> str:
        """Its endpoint."""
        return f"http://{HOST}:{self.port}/{ACCOUNT}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which it is used."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_ENDPOINT": self.url,
        }

    def create_container(self, name: str) -> None:
        """Create a container."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _API}
        lines = [
            "PUT", *[""] * 11, *(f"{header}:{value}" for header, value in headers.items()),
            f"/{ACCOUNT}/{ACCOUNT}/{name}", "restype:container",
        ]  # fmt: skip
        signature = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        connection.request("PUT", f"/{ACCOUNT}/{name}?restype=container", headers={**headers, "Content-Length": "0"})
        status = connection.getresponse().status
        connection.close()
        if status != 201:
            raise ServerError(f"could not create the container {name}: status {status}", where=self.url)

    def _prepare(self) -> None:
        self._home = azurite_home()

    def _launch(self) -> ServerProcess:
        program = self._home / "node_modules" / ".bin" / "azurite-blob"
        arguments = ["--silent", "--location", str(self.folder), "--blobHost", HOST, "--blobPort", str(self.port)]
        return ServerProcess(
            [str(program), *arguments, "--skipApiVersionCheck", "--disableTelemetry"],
            environment=dict(os.environ),
            folder=self.folder,
            output=self._output,
        )

    def _is_ready(self) -> bool:
        return True  # it listens


def azurite_home() -> Path:
    """Return the folder of an installed Azurite, installed if necessary.

    Raises:
        ServerError: npm is not there, or could not install it.
    """
    cache = cache_folder()
    home = cache / f"azurite-{VERSION}"
    if home.exists():
        return home
    npm = shutil.which("npm")
    if npm is None:
        raise ServerError("npm is required to download Azurite", hint="apt-get install npm")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as new:
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--fetch-retries=1", f"azurite@{VERSION}"]
        try:
            subprocess.run(
                command, cwd=new, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=_INSTALL_SECONDS
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise ServerError("npm could not download Azurite", hint="check the network connection") from error
        if not home.exists():  # another process may have been faster
            Path(new).rename(home)
            Path(new).mkdir()
    return home
