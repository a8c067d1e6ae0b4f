"""Why a request to an object store failed, in words for the user.

The client's errors differ in little but their texts, so the reasons are found there: the HTTP status, the code in the
server's answer, and the kind of a connection error.
"""

import re
from typing import NamedTuple

from advertisex.errors import AdvertiseXError, ConfigurationError, SourceError, SourceUnavailable
from advertisex.ingestion.objects.environment import ALLOW_HTTP

#: Where each store takes its credentials from.
CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for public data AWS_SKIP_SIGNATURE=true",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the file of a key",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
}
_LATER = "try again later"

#: S3 redirects requests for a bucket in another region, but does not say where to.
_STATUS = re.compile(r"status code: (\d{3})|redirect without LOCATION")
_CODE = re.compile(r"<Code>(\w+)</Code>")
#: Without credentials, the client asks the machine for those of its role.
_NO_CREDENTIALS = re.compile(
    r"Account must be specified|Error performing token request|Error performing \w+ http://(?:169\.254\.|metadata\.)"
)


class _Answer(NamedTuple):
    """A kind of answers of the server: with one of the codes, or one of the statuses.

    Without a hint, the hint is how to give credentials.
    """

    codes: set[str]
    statuses: range
    what: str
    hint: str = ""
    error: type[SourceError] = SourceError


_NO_BUCKET = {"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"}

#: In the order to look for them: a code says more than a status.
_ANSWERS = (
    _Answer(
        {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"},
        range(300, 400),
        "the bucket is in another region",
        "set AWS_REGION to the region of the bucket",
    ),
    _Answer(
        {"SlowDown", "ServerBusy", "TooManyRequests", "RequestLimitExceeded"},
        range(429, 430),
        "the server limits the rate of requests",
        _LATER,
        SourceUnavailable,
    ),
    _Answer(
        {
            "AuthenticationFailed",
            "ExpiredToken",
            "InvalidAccessKeyId",
            "InvalidToken",
            "SignatureDoesNotMatch",
            "TokenRefreshRequired",
        },
        range(401, 402),
        "the credentials are not valid, or have expired",
    ),
    _Answer(
        _NO_BUCKET,
        range(404, 405),
        "no such bucket",
        "check the name, the endpoint and the account",
    ),
    _Answer(
        {"AccessDenied"},
        range(403, 404),
        "access denied",
        "let these credentials list the bucket and read objects",
    ),
    _Answer(set(), range(408, 409), "the server timed out", _LATER, SourceUnavailable),
    _Answer(set(), range(500, 600), "the server failed", _LATER, SourceUnavailable),
    _Answer(set(), range(1_000), "the server rejected the request", "check the address, endpoint and credentials"),
)
#: Signs of a failure on the way to the server, in the order to look for them: what it means, and a hint.
_ON_THE_WAY = {
    "dns error": ("could not connect: unknown host name", "check the endpoint and the region"),
    "ConnectionRefused": ("could not connect: connection refused", "check the endpoint, and that the server is up"),
    "ertificate": ("no encrypted connection is possible: the certificate is not valid", "check the endpoint"),
    "TimedOut": ("the request timed out", "try again later, or raise the setting api.timeout"),
    "kind: Timeout": ("the request timed out", "try again later, or raise the setting api.timeout"),
    "kind: Connect": ("could not connect", "check the endpoint, and that the server is up"),
}


def failure(error: Exception, where: str, scheme: str) -> AdvertiseXError:
    """Return what a failed request means.

    Args:
        error: error of the client.
        where: name of the bucket, or of the object.
        scheme: scheme of the store.
    """
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    if "BadScheme" in text:
        return ConfigurationError(
            "the endpoint is http://, which is not encrypted",
            where=where,
            hint=f"use https://, or set {ALLOW_HTTP[scheme]}=true",
        )
    if "InvalidPath" in text:
        return SourceError(
            "an object has a key with an empty part between slashes, or . or .. as a part, which cannot be read",
            where=where,
            hint="name a folder, or a glob in a folder, that has no such object",
        )
    if _NO_CREDENTIALS.search(text):
        return SourceError("no credentials were found", where=where, hint=CREDENTIALS[scheme])
    if isinstance(error, FileNotFoundError) and not (code and code[1] in _NO_BUCKET):
        return SourceError("no such object", where=where, hint="check the key; it may have been deleted meanwhile")
    if status is not None:
        return _answered(int(status[1] or 301), code[1] if code else "", where, scheme)
    what, hint = next(
        (meaning for sign, meaning in _ON_THE_WAY.items() if sign in text), ("the request failed", _LATER)
    )
    return SourceUnavailable(what, where=where, hint=hint)


def is_panic(error: BaseException) -> bool:
    """Whether an error is a panic of the client, which is not an `Exception`; its class cannot be imported."""
    return type(error).__name__ == "PanicException"


def _answered(status: int, code: str, where: str, scheme: str) -> SourceError:
    """Return what the server's answer means."""
    by_code = (answer for answer in _ANSWERS if code in answer.codes)
    by_status = (answer for answer in _ANSWERS if status in answer.statuses)
    answer = next(by_code, None) or next(by_status)
    said = f"status {status}, {code}" if code else f"status {status}"
    return answer.error(f"{answer.what} ({said})", where=where, hint=answer.hint or CREDENTIALS[scheme])
