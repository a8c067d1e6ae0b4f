"""The connection to a server that `advertisex serve` has started: requests, and every failure as an error of ours."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from advertisex.errors import (
    AdvertiseXError,
    AnalysisError,
    ConfigurationError,
    SourceError,
    StoreUnavailable,
    error_named,
)
from advertisex.ingestion.api.failures import unavailable
from advertisex.limits import Limit
from advertisex.masking import masked, remember
from advertisex.reasons import reason_of
from advertisex.reporting.cells import visible
from advertisex.reporting.packed import MEDIA_TYPE, PACKED, Unreadable, unpack
from advertisex.settings.web import is_loopback

T = TypeVar("T")

#: What a document of the API is in Python: what `--json` prints.
Document = dict[str, Any]

#: Documents of any type; errors name options as the command line does, since the server knows our media type.
_AS_PRINTED = f"*/*, {MEDIA_TYPE}; q=0.1"

#: What to do if a request that changes something was sent, and its response is missing.
UNKNOWN_RESULT = "the server may still do it: see `advertisex rejects list` before you repeat it"

#: What the problem document of a status is raised as, if it does not name the class.
_RAISED: dict[int, type[AdvertiseXError]] = {
    HTTPStatus.NOT_FOUND: AnalysisError,
    HTTPStatus.INTERNAL_SERVER_ERROR: AdvertiseXError,
    HTTPStatus.BAD_GATEWAY: StoreUnavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: StoreUnavailable,
    HTTPStatus.GATEWAY_TIMEOUT: StoreUnavailable,
}
LARGEST_RESPONSE = Limit(1_073_741_824, "bytes", of="a response to `--server` or the client", beyond="an error")

_FORM = "use http://HOST:PORT"
_USE_PRINTED = "use the address that `advertisex serve` printed"

#: What a header can carry.
_TOKEN = re.compile(r"[!-~]+")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Connection:
    """Sends requests to the API of a server.

    Args:
        url: where the server is, such as `http://127.0.0.1:8470`.
        token: what lets us in, if the server asks for one.
        timeout: seconds to wait for each part of a response.
        unauthorized: what to do if the token is missing or wrong.

    Raises:
        ConfigurationError: the address is not valid, or the token would be sent unencrypted to another machine.
    """

    def __init__(self, url: str, *, token: str | None, timeout: float, unauthorized: str) -> None:
        address = _address(url, with_token=token is not None)
        self.url, self._unauthorized = url.rstrip("/"), unauthorized
        headers = {}
        if token is not None:
            if not _TOKEN.fullmatch(token):  # never shown
                raise ConfigurationError("the token is not valid", hint=unauthorized)
            remember(token)
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(
            base_url=f"{self.url}/api/v1/",
            headers=headers,
            timeout=timeout,
            trust_env=not is_loopback(address.host),  # no proxy has to see what stays on this machine
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def text(self, path: str, options: Mapping[str, Any]) -> str:
        """Return a response as text."""
        with self._response("GET", path, params=query_of(options)) as response:
            try:
                return _content(response).decode()
            except UnicodeDecodeError:
                raise _strange(response) from None

    def document(self, path: str, options: Mapping[str, Any]) -> Document:
        """Return a document of the API."""
        with self._response("GET", path, params=query_of(options)) as response:
            return _document(response)

    def packed(self, path: str, options: Mapping[str, Any], kind: type[T], *, method: str = "GET") -> T:
        """Return what the API gives as an object.

        Args:
            path: its address, below that of the API.
            options: the options; the body of a method that changes something.
            kind: the type of the object.
            method: the method.
        """
        sent: dict[str, Any] = {"params": query_of(options)} if method == "GET" else {"json": _given(options)}
        with self._response(method, path, headers={"Accept": PACKED}, **sent) as response:
            if response.headers.get("content-type") != PACKED:
                raise _strange(response)
            try:
                return unpack(_content(response), kind)
            except Unreadable as error:
                hint = "try again; the server may also have another build of this version"
                raise ConfigurationError("the response is damaged", where=str(response.url), hint=hint) from error

    def download(
        self, path: str, options: Mapping[str, Any], to: BinaryIO, kind: str, numbers: Sequence[str] = ()
    ) -> list[int]:
        """Write a response to a file.

        Args:
            path: its address, below that of the API.
            options: the options.
            to: the file.
            kind: the media type.
            numbers: headers of the response that have numbers.

        Returns:
            These numbers.
        """
        with self._response("GET", path, params=query_of(options), headers={"Accept": _AS_PRINTED}) as response:
            found = [response.headers.get(name, "") for name in numbers]
            is_ours = response.headers.get("content-type", "").partition(";")[0] == kind
            if not is_ours or not all(map(str.isdecimal, found)):
                raise _strange(response)
            for part in response.iter_bytes():
                to.write(part)
            return list(map(int, found))

    def upload(self, file: Path) -> str:
        """Upload a file with the time of its last modification, and return its id.

        Raises:
            SourceError: the file cannot be read.
        """
        try:
            with file.open("rb") as content:
                modified = datetime.fromtimestamp(file.stat().st_mtime, UTC)
                path, query = f"uploads/{quote(file.name, safe='')}", query_of({"modified": modified})
                with self._response("PUT", path, params=query, content=content) as response:
                    return str(_document(response)["upload"])
        except OSError as error:
            raise SourceError(f"the file cannot be read: {reason_of(error)}", where=str(file)) from error

    @contextmanager
    def _response(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        """Send a request; the errors of the connection and of the server are raised as ours, in the block too."""
        try:
            with self._http.stream(method, path, **request) as response:
                if not response.is_success:
                    raise self._error(response)
                yield response
        except UnicodeError as error:  # of a host such as `http://a..b`
            raise ConfigurationError(f"{masked(self.url)!r} is not the address of a server", hint=_FORM) from error
        except httpx.HTTPError as error:
            hint = "check the address, and that `advertisex serve` runs"
            if method == "POST" and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                hint = UNKNOWN_RESULT
            what = unavailable(error, "").what
            raise StoreUnavailable(f"the server does not respond: {what}", where=self.url, hint=hint) from error

    def _error(self, response: httpx.Response) -> AdvertiseXError:
        """The error that a server reports; a server that is not ours could send what controls a terminal."""
        status = response.status_code
        if response.is_redirect:
            where = visible(masked(response.headers.get("location", "")))
            return ConfigurationError(
                "the server redirects to another address", where=where, hint="give that one, if it is yours"
            )
        if response.headers.get("content-type") != "application/problem+json":
            return _strange(response)
        problem = _document(response)
        what, where, hint = (visible(str(problem.get(name, ""))) for name in ("detail", "where", "hint"))
        if status == HTTPStatus.UNAUTHORIZED:
            return ConfigurationError(what, where=self.url, hint=self._unauthorized)
        named = error_named(str(problem.get("error", "")), what, where=where, hint=hint)
        if named is not None:
            return named
        hint = hint or (_USE_PRINTED if status == HTTPStatus.NOT_FOUND else "")
        return _RAISED.get(status, ConfigurationError)(what, where=where or self.url, hint=hint)


def _address(url: str, *, with_token: bool) -> httpx.URL:
    """Check the address of a server."""
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        address = httpx.URL()
    if address.scheme not in ("http", "https") or not address.host or address.query or address.fragment:
        raise ConfigurationError(f"{masked(url)!r} is not the address of a server", hint=_FORM)
    if address.userinfo:
        raise ConfigurationError(f"{masked(url)}: the address of a server has no user and no password", hint=_FORM)
    if with_token and address.scheme == "http" and not is_loopback(address.host):
        raise ConfigurationError(
            "the token would be sent unencrypted", where=url, hint="use https://, or an SSH tunnel to 127.0.0.1"
        )
    return address


def _content(response: httpx.Response) -> bytes:
    """Read a response, up to a bound: its server may be somebody else's."""
    content = bytearray()
    for part in response.iter_bytes():
        content += part
        if len(content) > LARGEST_RESPONSE:
            raise _strange(response)
    return bytes(content)


def _document(response: httpx.Response) -> Document:
    try:
        document = _decode(_content(response))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _strange(response)
    return document


def _strange(response: httpx.Response) -> AdvertiseXError:
    """The error for a response that is not one of ours, or one of another version."""
    where, status = str(response.url.copy_with(query=None)), response.status_code
    theirs = response.headers.get("content-type", "").partition(f"{MEDIA_TYPE}; version=")[2]
    if theirs:
        what = f"the server has another version: {visible(theirs)}, not {PACKED.partition('version=')[2]}"
        hint = "install its version here; its pages and its API work with any"
    else:
        what = "the server does not answer like ours" + ("" if response.is_success else f": status {status}")
        hint = _USE_PRINTED
    return _RAISED.get(status, ConfigurationError)(what, where=where, hint=hint)


def query_of(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The options as a query string; None leaves an option out."""
    return [(name, text) for name, value in options.items() for text in _texts(value)]


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as a JSON object; None leaves an option out."""
    return {name: value for name, value in options.items() if value is not None}


def _texts(value: Any) -> list[str]:
    match value:
        case None:
            return []
        case Mapping():
            return [f"{name}={inner}" for name, inner in value.items()]
        case list() | tuple():
            return [text for inner in value for text in _texts(inner)]
        case _:
            return [_text(value)]


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
        case date():
            return value.isoformat()
        case _:
            return str(value)
