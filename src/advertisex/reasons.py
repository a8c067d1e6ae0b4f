"""The reason of an exception that is not ours, without its text, which could contain a secret (see `masking`)."""

import errno
import os
import socket
import ssl
from types import TracebackType

#: Our words for what the system says most often of a file that a user names.
_OF_FILES = {
    errno.ENOENT: "the file does not exist",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "it is a folder, not a file",
    errno.ENOTDIR: "a part of its path is a file",
}


def reason_of(error: BaseException) -> str:
    """Return what went wrong: our words for files, the system's for its other errors, else library and class."""
    match error:
        case socket.gaierror() | socket.herror():
            return "unknown host name"
        case ssl.SSLError():
            return "no encrypted connection is possible"
        case OSError(errno=int(number)):
            return _OF_FILES.get(number) or os.strerror(number)
        case UnicodeDecodeError():
            return f"not UTF-8 at byte {error.start}"
        case RecursionError():
            return "nested too deeply"
        case _:
            return unexpected(error)


def unexpected(error: object) -> str:
    """Return that a library failed in a way that we do not know."""
    module = type(error).__module__.partition(".")[0].strip("_")
    library = "" if module == "builtins" else f" of {module}"
    return f"unexpected failure{library} ({type(error).__name__})"


def place_of(error: BaseException) -> str:
    """Return the innermost place in our code that raised an exception or passed it on; empty if there is none."""
    at: TracebackType | None = error.__traceback__
    found = ""
    while at is not None:
        module = at.tb_frame.f_globals.get("__name__", "")
        if module.partition(".")[0] == __package__:
            found = f"{module}:{at.tb_lineno}"
        at = at.tb_next
    return found
