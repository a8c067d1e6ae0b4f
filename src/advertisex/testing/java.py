"""Which Java on this machine can run a server."""

import functools
import os
import pwd
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from advertisex.errors import ServerError

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


def find_java(version: int, for_what: str, user: int | None = None) -> Path:
    """The home of a Java of at least this version: `JAVA_HOME`, then `java` on the PATH, then the usual folders.

    Args:
        version: the oldest that will do.
        for_what: the server that needs it, for the message.
        user: the user id that has to be able to run it; None for our own.

    Raises:
        ServerError: this machine has none.
    """
    found = [(home, java_version(home, user)) for home in homes()]
    for home, has in found:
        if has >= version:
            return home
    here = ", ".join(f"{has} in {home}" for home, has in found if has)
    raise ServerError(
        f"{for_what} needs Java {version} or newer, and this machine has {here or 'none'}",
        hint=f"set JAVA_HOME to one, or install it: {INSTALL.get(version, 'from adoptium.net')}",
    )


def homes() -> Iterator[Path]:
    """Every folder that may be a Java's home, the preferred first, each once."""
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
    """The major version of the Java in this folder; 0 when it does not run, or not for that user."""
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
    """The user id for a server that refuses root: that of `nobody` when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return 65534


if __name__ == "__main__":  # .ci/server-tools asks
    try:
        sys.stdout.write(f"{find_java(int(sys.argv[1]), 'The tests', unprivileged())}\n")
    except ServerError as error:
        sys.exit(str(error))
