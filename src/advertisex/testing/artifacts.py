"""The servers' programs: fetched by Maven once, unpacked once, shared by every run on this machine.

`pom.xml` beside this file names them. They go to `$XDG_CACHE_HOME/advertisex/servers` (by default `~/.cache`; for root
`/var/cache`, because Elasticsearch must run as another user, who cannot look into root's home).
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

from advertisex.errors import ServerError
from advertisex.testing.java import find_java, unprivileged

POM = Path(__file__).with_name("pom.xml")
KAFKA_JAVA = 17
ELASTICSEARCH_JAVA = 21


def kafka_jars() -> Path:
    """The folder of Kafka's jars."""
    return _fetched("kafka", lambda fetched: fetched)


def elasticsearch_home() -> Path:
    """The folder of an unpacked Elasticsearch; read only, by every user."""
    return _fetched("elasticsearch", _unpack)


def version_of(server: str) -> str:
    """The version of a server that `pom.xml` names."""
    match = re.search(rf"<{server}\.version>([^<]+)<", POM.read_text())
    assert match, f"pom.xml names no version of {server}"
    return match[1]


def cache_folder() -> Path:
    """Where the servers' programs are kept between runs."""
    default = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or default) / "advertisex" / "servers"


def _fetched(server: str, unpack: Callable[[Path], Path]) -> Path:
    cache = cache_folder()
    home = cache / f"{server}-{version_of(server)}"
    if home.exists():
        return home
    cache.mkdir(parents=True, exist_ok=True)
    with _alone(cache), tempfile.TemporaryDirectory(dir=cache, prefix=".new-") as new:
        if not home.exists():
            _maven(Path(new))
            ready = unpack(Path(new) / server)
            _let_everyone_read(ready)
            ready.rename(home)
    return home


@contextlib.contextmanager
def _alone(cache: Path) -> Iterator[None]:
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _maven(into: Path) -> None:
    maven = shutil.which("mvn")
    if not maven:
        raise ServerError("Maven is not installed, and it brings the test servers", hint="apt-get install maven")
    java = find_java(KAFKA_JAVA, "Kafka")
    ran = subprocess.run(
        [maven, "-q", "-B", "-f", POM, "generate-resources", f"-Dservers={into}"],
        env={**os.environ, "JAVA_HOME": os.environ.get("JAVA_HOME") or str(java)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode:
        why = next((line for line in ran.stdout.splitlines() if "ERROR" in line), ran.stdout.strip()[-300:])
        raise ServerError(
            f"Maven could not fetch the test servers: {why}", where=str(POM), hint="try again when it is reachable"
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


def _let_everyone_read(home: Path) -> None:
    home.chmod(0o755)
    for path in home.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)


if __name__ == "__main__":  # .ci/server-tools asks
    try:
        find_java(ELASTICSEARCH_JAVA, "Elasticsearch", unprivileged())
        kafka_jars()
        elasticsearch_home()
    except ServerError as error:
        sys.exit(str(error))
