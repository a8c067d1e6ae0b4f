"""A request to an HTTP API, and the response, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from advertisex.ingestion.formats import Format
from advertisex.ingestion.sources import redacted


@dataclass(frozen=True, slots=True)
class Request:
    """A request; the headers of the options and the authentication are added when it is sent.

    Attributes:
        url: the URL, which may contain secrets.
        method: GET or POST.
        headers: headers of this request alone, such as If-None-Match.
        body: the body of a POST.
    """

    url: str = field(repr=False)
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)

    @property
    def where(self) -> str:
        """The URL without its secrets."""
        return redacted(self.url)


@dataclass(frozen=True, slots=True)
class Response:
    """The body of a response, and what the server says about it.

    Attributes:
        body: its content, complete and decoded from the transfer.
        declared: the format to assume if the content does not show one.
        charset: name of the encoding that Content-Type declares.
        status: HTTP status: 200, 204, or 304 if the request was conditional.
        url: the URL of the response, after redirects, without a key of the authentication; it may contain secrets.
        headers: the headers, with names in lower case.
        warnings: what the user should know about it, such as an error that is reported beside the records.
    """

    body: bytes = b""
    declared: Format = "json"
    charset: str | None = None
    status: int = 200
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
