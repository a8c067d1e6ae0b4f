"""Options of HTTP APIs as sources."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from advertisex.errors import ConfigurationError
from advertisex.ingestion.api_auth import Auth

#: A longer wait is a typo, and very large values overflow the system's sleep.
LONGEST_SECONDS = 86_400.0


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


def check_seconds(where: str, seconds: float) -> None:
    """Raise ConfigurationError unless a number of seconds is a sensible wait; `where` names the option."""
    if not 0 < seconds <= LONGEST_SECONDS:
        raise ConfigurationError(
            f"{seconds:g} seconds are not a valid wait",
            where=where,
            hint="use more than 0 seconds, and at most a day",
        )
