"""Downloads the server distributions with Maven, unpacks them, and caches them for all runs on this machine.

`pom.xml` next to this file pins the versions. The cache is `$XDG_CACHE_HOME/advertisex/servers`; `XDG_CACHE_HOME`
defaults to `~/.cache`, or to `/var/cache` for root, because Elasticsearch must run as another user, who cannot read
root's home.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.servers.errors import ServerError
from tests.servers.java import find_java, unprivileged

POM = Path(__file__).with_name("pom.xml")
KAFKA_JAVA = 17
ELASTICSEARCH_JAVA = 21


def kafka_jars() -> Path:
    """The folder with Kafka's jars, downloaded if necessary."""
    return _fetch("kafka", lambda fetched: fetched)


def elasticsearch_home() -> Path:
    """The folder of an unpacked Elasticsearch, downloaded if necessary; readable by every user, never written to."""
    return _fetch("elasticsearch", _unpack)


def version_of(server: str) -> str:
    """The version of a server in `pom.xml`."""
    match = re.search(rf"<{server}\.version>([^<]+)<", POM.read_text())
    assert match, f"pom.xml has no version of {server}"
    return match[1]


def cache_folder() -> Path:
    """The folder that caches the distributions between runs."""
    default = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or default) / "advertisex" / "servers"


def _fetch(server: str, unpack: Callable[[Path], Path]) -> Path:
    cache = cache_folder()
    home = cache / f"{server}-{version_of(server)}"
    if home.exists():
        return home
    cache.mkdir(parents=True, exist_ok=True)
    with _exclusive(cache), tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as new:
        if not home.exists():
            _run_maven(Path(new))
            ready = unpack(Path(new) / server)
            _make_readable(ready)
            ready.rename(home)
    return home


@contextlib.contextmanager
def _exclusive(cache: Path) -> Iterator[None]:
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_maven(into: Path) -> None:
    maven = shutil.which("mvn")
    if not maven:
        raise ServerError("Maven is required to download the test servers", hint="apt-get install maven")
    java = find_java(KAFKA_JAVA, "Kafka")
    result = subprocess.run(
        [maven, "-q", "-B", "-f", POM, "generate-resources", f"-Dservers={into}"],
        env={**os.environ, "JAVA_HOME": os.environ.get("JAVA_HOME") or str(java)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode:
        reason = next((line for line in result.stdout.splitlines() if "ERROR" in line), result.stdout.strip()[-300:])
        raise ServerError(
            f"Maven could not download the test servers: {reason}",
            where=str(POM),
            hint="check the network connection and try again",
        )


def _unpack(folder: Path) -> Path:
    (archive,) = folder.glob("*.zip")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    archive.unlink()
    (home,) = folder.iterdir()
    for name in ("logs", "plugins"):
        (home / name).mkdir(exist_ok=True)
    return home


def _make_readable(home: Path) -> None:
    home.chmod(0o755)
    for path in home.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


if __name__ == "__main__":  # called by .ci/server-tools
    try:
        find_java(ELASTICSEARCH_JAVA, "Elasticsearch", unprivileged())
        kafka_jars()
        elasticsearch_home()
    except ServerError as error:
        sys.exit(str(error))
