"""Who may what: decided by the method and the path of a request alone, so that no route can forget it."""

from advertisex.settings.web import Role

#: Methods that change nothing.
SAFE = ("GET", "HEAD", "OPTIONS")

#: The collector, which takes events.
COLLECTOR = "/v1/"

#: What each role may do: read, change something outside the collector, and send events to it.
GRANTED: dict[Role, frozenset[Role]] = {
    "viewer": frozenset({"viewer"}),
    "operator": frozenset({"viewer", "operator"}),
    "ingest": frozenset({"ingest"}),
}

#: What browsers and exchanges request from URLs in ads; they can send no token.
PIXELS = ("/v1/pixel.gif", "/v1/burl")

#: Where the dashboard and the API keep files, which only serve questions.
UPLOAD = "/upload"
_UPLOADS = "/api/v1/uploads/"

_OPEN = ("/healthz", "/readyz", "/login", "/logout")


def needed(method: str, path: str) -> Role | None:
    """The role that a request needs; None if it needs none.

    Args:
        method: the method, in capitals.
        path: the path that routes are found by.
    """
    if path in _OPEN or path.startswith("/static/"):
        return None
    if path.startswith(COLLECTOR):
        return None if method == "OPTIONS" else "ingest"  # what a browser asks before it sends has no token
    return "viewer" if method in SAFE or is_upload(path) else "operator"


def is_upload(path: str) -> bool:
    """Whether files are sent to a path."""
    return path == UPLOAD or path.startswith(_UPLOADS)


def is_api(path: str) -> bool:
    """Whether a program asks at a path, and not a browser for a page."""
    return path.startswith(("/api/", COLLECTOR)) or path in ("/metrics", "/healthz", "/readyz")
