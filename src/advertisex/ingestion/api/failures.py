"""Why a request to an API failed, in words for the user."""

import re
import ssl
from collections.abc import Iterable, Iterator

import httpx

from advertisex.errors import SourceUnavailable
from advertisex.masking import masked
from advertisex.reasons import reason_of

#: Codes of OpenSSL for certificates that are not accepted.
_CERTIFICATES = {
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate is self-signed",
    20: "its certificate is of an unknown authority",
    62: "its certificate is for another host name",
}


_CHECK_PROXY = "check the proxy (api.proxy, HTTP_PROXY or HTTPS_PROXY)"
#: Statuses that a retry may fix, beside those of server errors: timeout, too early, too many requests.
RETRYABLE = {408, 425, 429, 500, 502, 503, 504}
#: Statuses of a request that the server no longer accepts, such as one with a cursor that has expired.
REJECTED = {400, 404, 410, 422}
#: What to do if the time does not suffice.
MORE_TIME = "raise --timeout or the setting api.timeout"


def unavailable(error: httpx.HTTPError, where: str, *, proxy: bool = False) -> SourceUnavailable:
    """Return the failure of a request that a retry may fix; `proxy`: whether a proxy may be used for it."""
    match error:
        case httpx.TimeoutException():
            what, hint = "the request timed out", f"try again later, or {MORE_TIME}"
        case httpx.ConnectError():
            what, hint = f"could not connect: {_reason(error)}", "check the address, and that the server is up"
            if "certificate" in what:
                hint = "name its authority with the setting api.ca_file, or check the address"
            elif proxy:
                hint = f"{_CHECK_PROXY}, the address, and that the server is up"
        case httpx.ProxyError():
            status = next(iter(re.findall(r"^\d{3}\b", str(error))), "")
            what = f"the proxy returned status {status}" if status else "the proxy does not connect to the server"
            hint = _CHECK_PROXY + (": its URL needs a user and a password" if status == "407" else "")
        case httpx.RemoteProtocolError():
            what, hint = "the response was truncated, or is not HTTP", "try again later"
        case httpx.DecodingError():
            what, hint = "the compressed body of the response is damaged", "try again later"
        case httpx.NetworkError():
            what, hint = f"the connection failed: {_reason(error)}", "try again later"
        case _:
            what, hint = "the request failed", "check the URL, and try again later"
    return SourceUnavailable(what, where=where, hint=hint)


def returned(response: httpx.Response, secrets: Iterable[str]) -> str:
    """Return in words which status a server returned."""
    reason = masked(response.reason_phrase, secrets)
    return f"the server returned status {response.status_code} {reason}".rstrip()


def _reason(error: BaseException) -> str:
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _CERTIFICATES.get(cause.verify_code, "its certificate is not valid")
            case OSError(errno=int()):
                return reason_of(cause).lower()
    return "the server closed the connection"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
