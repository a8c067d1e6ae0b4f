"""Why a request to an API failed, in words for the user."""

import os
import socket
import ssl
from collections.abc import Iterator

import httpx

from advertisex.errors import SourceUnavailable

#: Codes of OpenSSL for certificates that are not accepted.
_CERTIFICATES = {
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate is self-signed",
    20: "its certificate is of an unknown authority",
    62: "its certificate is for another host name",
}


def unavailable(error: httpx.HTTPError, where: str) -> SourceUnavailable:
    """Return the failure of a request that a retry may fix."""
    match error:
        case httpx.TimeoutException():
            what, hint = "the request timed out", "try again later, or raise the setting api.timeout"
        case httpx.ConnectError():
            what, hint = f"could not connect: {_reason(error)}", "check the address, and that the server is up"
        case httpx.RemoteProtocolError():
            what, hint = "the response was truncated, or is not HTTP", "try again later"
        case httpx.DecodingError():
            what, hint = "the compressed body of the response is damaged", "try again later"
        case httpx.NetworkError():
            what, hint = f"the connection failed: {_reason(error)}", "try again later"
        case _:
            what, hint = "the request failed", "check the URL, and try again later"
    return SourceUnavailable(what, where=where, hint=hint)


def _reason(error: BaseException) -> str:
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _CERTIFICATES.get(cause.verify_code, "its certificate is not valid")
            case ssl.SSLError():
                return "no encrypted connection is possible"
            case socket.gaierror():
                return "unknown host name"
            case OSError(errno=int(number)):
                return os.strerror(number).lower()
    return "the server closed the connection"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
