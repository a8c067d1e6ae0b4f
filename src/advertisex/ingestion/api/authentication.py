"""Authenticate requests; fetch, keep and renew the token of the OAuth 2.0 client credentials grant.

Not authlib or httpx-auth: what is needed here is one grant, while both follow redirects with the secret, read a token
response of any size, and put the response's text into errors.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Protocol
from urllib.parse import quote_plus, urlencode

import httpx
import msgspec

from advertisex.codecs.json_text import NOT_JSON
from advertisex.errors import ConfigurationError, SourceError, SourceUnavailable
from advertisex.ingestion.api.error_document import error_document
from advertisex.ingestion.api.failures import RETRYABLE, returned, unavailable
from advertisex.ingestion.api.rate_limit import retry_after
from advertisex.ingestion.options.auth import ApiKey, Auth, Basic, Bearer, ClientCredentials
from advertisex.ingestion.options.checks import check_header_value, check_text
from advertisex.ingestion.sources import redacted
from advertisex.limits import Limit
from advertisex.masking import remember_token

#: A token is renewed so many seconds before it expires, but not before half of its time.
_EARLY = 60.0
#: Lifetime of a token whose response does not say, in seconds.
_LIFETIME = 300.0
_TOKEN_BYTES = Limit(2**20, "bytes", of="a response with a token", beyond="the poll fails and is repeated")
_FORM = "application/x-www-form-urlencoded"


class Authentication(Protocol):
    """Adds what authenticates to requests."""

    def authenticate(self, request: httpx.Request) -> None:
        """Add it to a request.

        Raises:
            SourceError: a token could not be fetched.
        """
        ...

    def renew(self) -> bool:
        """Forget what a server has rejected. Return whether another attempt may be accepted."""
        return False

    def without(self, url: httpx.URL) -> httpx.URL:
        """Return a URL without what it adds to URLs."""
        return url

    def secrets(self) -> Iterator[str]:
        """Yield the texts that it adds and the options do not hold."""
        return iter(())


class _NoAuthentication(Authentication):
    def authenticate(self, request: httpx.Request) -> None:
        """Leave the request as it is."""


class _Header(Authentication):
    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def authenticate(self, request: httpx.Request) -> None:
        request.headers[self._name] = self._value


class _Parameter(Authentication):
    """Adds a parameter to the URL, in place of those of its name; the rest of the URL keeps its spelling."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._added = name, urlencode({name: value}).encode()

    def authenticate(self, request: httpx.Request) -> None:
        query = self.without(request.url).query
        request.url = request.url.copy_with(query=query + b"&" * bool(query) + self._added)

    def without(self, url: httpx.URL) -> httpx.URL:
        kept = [part for part in url.query.split(b"&") if not self._is_own(part)]
        return url.copy_with(query=b"&".join(kept) or None)

    def _is_own(self, part: bytes) -> bool:
        return self._name in httpx.QueryParams(part)


class _Token(Authentication):
    """A token that is fetched when it is needed, and again shortly before it expires."""

    def __init__(
        self, grant: ClientCredentials, client: httpx.Client, clock: Callable[[], float], secrets: frozenset[str]
    ) -> None:
        self._grant, self._client, self._clock, self._secrets = grant, client, clock, secrets
        self._token, self._until = "", 0.0
        self._is_new = False

    def authenticate(self, request: httpx.Request) -> None:
        self._is_new = not self._token or self._clock() >= self._until
        if self._is_new:
            self._token, lifetime = _fetched(self._grant, self._client, self._secrets)
            remember_token(self._token)
            self._until = self._clock() + max(lifetime - _EARLY, lifetime / 2)
        request.headers["Authorization"] = f"Bearer {self._token}"

    def renew(self) -> bool:
        self._token = ""
        return not self._is_new

    def secrets(self) -> Iterator[str]:
        yield from filter(None, [self._token])


def authentication_of(
    auth: Auth | None, client: httpx.Client, clock: Callable[[], float], secrets: frozenset[str]
) -> Authentication:
    """Return what adds an authentication to requests.

    Args:
        auth: the authentication, checked; None for none.
        client: sends the requests for tokens.
        clock: monotonic time in seconds.
        secrets: texts that no error must show.
    """
    match auth:
        case None:
            return _NoAuthentication()
        case Bearer():
            return _Header("Authorization", f"Bearer {auth.token}")
        case Basic():
            return _Header("Authorization", auth.header())
        case ApiKey(location="header"):
            return _Header(auth.name, auth.value)
        case ApiKey():
            return _Parameter(auth.name, auth.value)
        case ClientCredentials():
            return _Token(auth, client, clock, secrets)


class _TokenResponse(msgspec.Struct):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - not a secret
    expires_in: float | None = None


def _fetched(grant: ClientCredentials, client: httpx.Client, secrets: frozenset[str]) -> tuple[str, float]:
    """Return a new token and its lifetime in seconds."""
    where = redacted(grant.token_url)
    fields = {"grant_type": "client_credentials", **grant.extra}
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": _FORM}
    if grant.scope is not None:
        fields["scope"] = grant.scope
    if grant.client_auth == "body":
        fields |= {"client_id": grant.client_id, "client_secret": grant.client_secret}
    else:  # RFC 6749, section 2.3.1: encoded like the fields of a form
        pair = f"{quote_plus(grant.client_id)}:{quote_plus(grant.client_secret)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    request = client.build_request("POST", grant.token_url, headers=headers, content=urlencode(fields).encode())
    try:
        response = client.send(request, stream=True, auth=httpx.Auth())
        try:
            body = _small_body(response)
        finally:
            response.close()
    except httpx.HTTPError as error:
        failure = unavailable(error, where)
        raise SourceUnavailable(f"no token: {failure.what}", where=where, hint=failure.hint) from error
    if response.status_code != 200:
        raise _failure(response, body, where, grant, secrets)
    return _token_in(body, where)


def _small_body(response: httpx.Response) -> bytes:
    """Return the body; nothing if it is larger than a token can be."""
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > _TOKEN_BYTES:
            return b""
    return bytes(body)


def _token_in(body: bytes, where: str) -> tuple[str, float]:
    try:
        found = msgspec.json.decode(body, type=_TokenResponse, strict=False)
        check_text("", found.access_token, required=True)
        check_header_value("", found.access_token)
    except (*NOT_JSON, ConfigurationError):  # what is wrong is not shown: it could contain a part of the token
        raise SourceError(
            "no token: the response is not a JSON object with an access_token",
            where=where,
            hint="check api.auth.token_url",
        ) from None
    if found.token_type.lower() != "bearer":
        raise SourceError(
            "no token: the server gave one of another type than Bearer", where=where, hint="check api.auth.token_url"
        )
    lifetime = found.expires_in
    return found.access_token, lifetime if lifetime is not None and 0 < lifetime < 1e9 else _LIFETIME


def _failure(
    response: httpx.Response, body: bytes, where: str, grant: ClientCredentials, secrets: frozenset[str]
) -> SourceError:
    status = response.status_code
    document = error_document(body, secrets)
    said = f": {document.message}" if document and document.message else ""
    what = f"no token: {returned(response, secrets)}{said}"
    if status in RETRYABLE or status >= 500:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return SourceUnavailable(what, where=where, hint="try again later", retry_after=retry_after(headers))
    if status in (400, 401, 403):
        other = "basic" if grant.client_auth == "body" else "body"
        hint = f'check client_id, client_secret and scope in api.auth; the server may want client_auth = "{other}"'
        return SourceError(what, where=where, hint=hint)
    return SourceError(what, where=where, hint="check api.auth.token_url")
