"""Options of HTTP APIs as sources."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from advertisex.errors import ConfigurationError
from advertisex.ingestion.options.auth import ApiKey, Auth
from advertisex.ingestion.options.checks import authorities, check_header, check_url
from advertisex.ingestion.options.paginate import Paginate

#: A longer wait is a typo, and very large values overflow the system's sleep.
LONGEST_SECONDS = 86_400.0
#: Limits of `requests_per_second`.
_SLOWEST, _FASTEST = 1 / 60, 1_000.0


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How an HTTP API is asked.

    Attributes:
        method: GET or POST.
        body: the body of a POST.
        headers: sent with each request.
        auth: the authentication, which is sent to the host of the URL only.
        proxy: URL of a proxy; None uses the environment: HTTP_PROXY, HTTPS_PROXY, NO_PROXY.
        ca_file: PEM file of the certificate authorities to accept in place of the usual ones.
        requests_per_second: maximum rate of requests; may be below 1.
        timeout: seconds for the connection, and for each read.
        retry_wait: seconds before the first retry; doubles with each further one.
        attempts: attempts per request before it fails; ignored for a source that is followed.
        paginate: how the API is paged; None recognises it in the responses.
        max_pages: maximum number of pages of a poll.
        cursor: field of the records that orders them, such as updated_at; a dotted path in JSON. Its largest value is
            where the next poll starts.
        lookback: how much earlier the next poll starts, for records that the source changes later.
        since: where the first poll starts.
    """

    method: Literal["GET", "POST"] = "GET"
    body: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    auth: Auth | None = None
    proxy: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    requests_per_second: float | None = None
    timeout: float = 30.0
    retry_wait: float = 5.0
    attempts: int = 5
    paginate: Paginate | None = None
    max_pages: int = 10_000
    cursor: str | None = None
    lookback: timedelta = timedelta(0)
    since: str | None = None

    def check(self) -> None:
        """Validate the options.

        Raises:
            ConfigurationError: an option is invalid.
        """
        for where, seconds in (("api.timeout", self.timeout), ("api.retry_wait", self.retry_wait)):
            check_seconds(where, seconds)
        if self.attempts < 1:
            raise ConfigurationError(
                f"{self.attempts} attempts are not enough", where="api.attempts", hint="use 1 or more"
            )
        self._check_increments()
        self._check_request()
        self._check_headers()
        if self.proxy is not None:
            check_url("api.proxy", self.proxy)
        if self.ca_file is not None:
            authorities("api.ca_file", self.ca_file)
        if self.requests_per_second is not None and not _SLOWEST <= self.requests_per_second <= _FASTEST:
            raise ConfigurationError(
                f"{self.requests_per_second:g} requests per second are not a valid rate",
                where="api.requests_per_second",
                hint=f"use at most {_FASTEST:g}, and at least one a minute",
            )

    def _check_request(self) -> None:
        if self.method not in ("GET", "POST"):
            raise ConfigurationError(f"unknown method {self.method!r}", where="api.method", hint="use GET or POST")
        if self.body is not None and self.method == "GET":
            raise ConfigurationError("a GET request has no body", where="api.body", hint='set method = "POST"')

    def _check_headers(self) -> None:
        for name, value in self.headers.items():
            check_header("api.headers", name, value)
        names = [name.lower() for name in self.headers]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigurationError(
                "the header is set twice, in different spellings", where=f"api.headers.{twice}", hint="remove one"
            )
        if self.auth is not None:
            self.auth.check()
            own = self.auth.name if isinstance(self.auth, ApiKey) else "Authorization"
            if own.lower() in names and getattr(self.auth, "location", "header") == "header":
                raise ConfigurationError(
                    "api.auth sends this header too", where=f"api.headers.{own}", hint="remove one of them"
                )

    def _check_increments(self) -> None:
        if self.paginate is not None:
            self.paginate.check()
        if self.max_pages < 1:
            raise ConfigurationError(
                f"{self.max_pages} pages are not enough", where="--max-pages", hint="use 1 or more"
            )
        if self.cursor is not None and not self.cursor.strip():
            raise ConfigurationError(
                "the name of the field is empty", where="--cursor", hint='name a field, as in cursor = "updated_at"'
            )
        if self.lookback < timedelta(0):
            raise ConfigurationError("the lookback is negative", where="--lookback", hint="write it as 3d or 12h")
        if self.lookback and self.cursor is None:
            raise ConfigurationError(
                "a lookback needs a cursor", where="--lookback", hint='set the cursor too, as in cursor = "updated_at"'
            )


def check_seconds(where: str, seconds: float) -> None:
    """Raise ConfigurationError unless a number of seconds is a sensible wait; `where` names the option."""
    if not 0 < seconds <= LONGEST_SECONDS:
        raise ConfigurationError(
            f"{seconds:g} seconds are not a valid wait",
            where=where,
            hint="use more than 0 seconds, and at most a day",
        )
