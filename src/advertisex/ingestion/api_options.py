"""Options of HTTP APIs as sources."""

from dataclasses import dataclass, field
from typing import Literal

from advertisex.errors import ConfigurationError

#: A longer wait is a typo, and very large values overflow the system's sleep.
LONGEST_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """How an HTTP API is asked.

    Attributes:
        method: GET or POST.
        headers: sent with each request.
        timeout: seconds for the connection, and for each read.
        retry_wait: seconds before the first retry; doubles with each further one.
        attempts: attempts per request before it fails; ignored for a source that is followed.
    """

    method: Literal["GET", "POST"] = "GET"
    headers: dict[str, str] = field(default_factory=dict, repr=False)
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
