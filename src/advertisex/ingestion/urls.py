"""Whether a text is a URL that can be requested."""

import re
from urllib.parse import urlsplit

#: Between the scheme and the path; the user info, if any, ends at the last @.
_AUTHORITY = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)


def url_problem(url: str) -> str:
    """Return why a text is not a valid URL of an HTTP server, without showing it; empty if it is one."""
    import httpx  # noqa: PLC0415 - slow to import, and often unused

    found = _AUTHORITY.match(url)
    if found is None:
        return "it does not begin with http:// or https://"
    try:
        _check_host(url, found[1])
    except (ValueError, httpx.InvalidURL) as problem:
        if "@" in url[found.end() :] or "@" in found[1]:
            return "a special character of the user or the password is not written as %XX, or the host is not valid"
        return problem.args[0] if isinstance(problem, _Problem) else "the host or another part is not valid"
    return ""


class _Problem(ValueError):
    """What is wrong, in our words."""


def _check_host(url: str, authority: str) -> None:
    """Raise ValueError or httpx.InvalidURL if the URL is not valid for us, for httpx, or for a lookup of its host."""
    import httpx  # noqa: PLC0415 - slow to import, and often unused

    try:
        has_port = urlsplit(url).port != 0
    except ValueError:
        has_port = False
    host = authority.rpartition("@")[2]
    if not has_port:
        raise _Problem(
            "the port is not a number from 1 to 65535"
            if "[" not in host
            else "the address in [], or the port after it, is not valid"
        )
    parsed = httpx.URL(url)
    if not parsed.host:
        raise _Problem("the host is missing")
    if re.search(r"[\s\\]", host):
        raise _Problem("the host has a space or a backslash")
    parsed.raw_host.decode("ascii").encode("idna")  # as a lookup of the host does
