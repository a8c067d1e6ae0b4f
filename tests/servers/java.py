"""Finds a Java on this machine that can run a server."""

import functools
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.servers.errors import ServerError

INSTALL = {
    17: "apt-get install default-jdk-headless",
    21: "apt-get install openjdk-21-jdk-headless (Debian 13; on 12 unpack a JDK from adoptium.net to /usr/lib/jvm)",
}
FOLDERS = (
    "/usr/lib/jvm/*",
    "/usr/local/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/*jdk*",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
)


def find_java(version: int, server: str, user: int | None = None) -> Path:
    """Find the home of a Java of at least this version: `JAVA_HOME`, then `java` on the PATH, then `FOLDERS`.

    Args:
        version: minimum major version.
        server: name of the server that needs it, for the error message.
        user: user id that must be able to run it; None for the current user.

    Raises:
        ServerError: none was found.
    """
    found = [(home, java_version(home, user)) for home in homes()]
    for home, has in found:
        if has >= version:
            return home
    here = ", ".join(f"{has} in {home}" for home, has in found if has)
    raise ServerError(
        f"{server} needs Java {version} or newer; found {here or 'none'}",
        hint=f"set JAVA_HOME or install one: {INSTALL.get(version, 'from adoptium.net')}",
    )


def homes() -> Iterator[Path]:
    """Yield every distinct Java home on this machine, in order of preference."""
    candidates = []
    if named := os.environ.get("JAVA_HOME"):
        candidates.append(Path(named))
    if on_path := shutil.which("java"):
        candidates.append(Path(on_path).resolve().parent.parent)
    for pattern in FOLDERS:
        candidates += sorted(Path("/").glob(str(Path(pattern).expanduser())[1:]), reverse=True)
    seen: set[Path] = set()
    for candidate in candidates:
        home = candidate.resolve()
        if home not in seen and (home / "bin" / "java").is_file():
            seen.add(home)
            yield home


@functools.cache
def java_version(home: Path, user: int | None = None) -> int:
    """The major version of the Java in this folder; 0 if it does not run as that user."""
    try:
        answer = subprocess.run(
            [home / "bin" / "java", "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            user=user,
            cwd="/",
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(match[1]) if match else 0


def unprivileged() -> int | None:
    """The user id for a server that does not run as root: `nobody` if we are root, otherwise None."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return 65534


if __name__ == "__main__":  # called by .ci/server-tools
    try:
        sys.stdout.write(f"{find_java(int(sys.argv[1]), 'The tests', unprivileged())}\n")
    except ServerError as error:
        sys.exit(str(error))
