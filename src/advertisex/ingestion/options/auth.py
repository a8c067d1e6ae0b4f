"""How requests to an API are authenticated, as plain data."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from advertisex.errors import ConfigurationError
from advertisex.ingestion.options.checks import check_header_name, check_header_value, check_text, check_url

#: The setting that holds the authentication.
SETTING = "api.auth"


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token in the header Authorization.

    Attributes:
        token: the token, without the word Bearer.
    """

    token: str = field(repr=False)

    def check(self) -> None:
        """Raise ConfigurationError if the token cannot be sent."""
        check_text(f"{SETTING}.token", self.token, required=True)
        check_header_value(f"{SETTING}.token", self.token)
        if self.token.lower().startswith("bearer "):
            raise ConfigurationError(
                "the token begins with the word Bearer, which would be sent twice",
                where=f"{SETTING}.token",
                hint="remove the word",
            )

    def secrets(self) -> Iterator[str]:
        """Yield each text that must not be shown."""
        yield self.token


@dataclass(frozen=True, slots=True)
class Basic:
    """A user and a password in the header Authorization.

    Attributes:
        user: name of the user; where the password is empty, it is the secret.
        password: the password; may be empty.
    """

    user: str = field(repr=False)
    password: str = field(repr=False)

    def check(self) -> None:
        """Raise ConfigurationError if the user or the password cannot be sent."""
        check_text(f"{SETTING}.user", self.user, required=True)
        check_text(f"{SETTING}.password", self.password)
        if ":" in self.user:
            raise ConfigurationError(
                "the user has a colon, at which the server would divide it",
                where=f"{SETTING}.user",
                hint="write only the part behind the colon into the password",
            )

    def header(self) -> str:
        """Return the value of the header Authorization."""
        return f"Basic {b64encode(f'{self.user}:{self.password}'.encode()).decode()}"

    def secrets(self) -> Iterator[str]:
        """Yield each text that must not be shown."""
        yield self.password
        yield self.header().partition(" ")[2]
        if not self.password:  # then the user is the secret
            yield self.user


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key in a header or in a parameter of the URL.

    Attributes:
        name: name of the header or parameter.
        value: the key.
        location: whether it is sent as a header or as a parameter of the URL.
    """

    name: str
    value: str = field(repr=False)
    location: Literal["header", "query"] = "header"

    def check(self) -> None:
        """Raise ConfigurationError if the key cannot be sent."""
        _check_choice("location", self.location, ("header", "query"))
        check_text(f"{SETTING}.name", self.name, required=True)
        check_text(f"{SETTING}.value", self.value, required=True)
        if self.location == "header":
            check_header_name(f"{SETTING}.name", self.name)
            check_header_value(f"{SETTING}.value", self.value)

    def secrets(self) -> Iterator[str]:
        """Yield each text that must not be shown."""
        yield self.value


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """A token that is fetched by the OAuth 2.0 client credentials grant, and kept until shortly before it expires.

    Attributes:
        token_url: where the token is fetched.
        client_id: identifier of the client.
        client_secret: its secret.
        scope: the scopes to ask for, separated by blanks; None asks for the default of the server.
        extra: further fields of the request for a token, such as audience.
        client_auth: whether the identifier and the secret are sent in the body of that request, or as basic
            authentication.
    """

    token_url: str = field(repr=False)
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_auth: Literal["body", "basic"] = "body"

    def check(self) -> None:
        """Raise ConfigurationError if a part is invalid."""
        _check_choice("client_auth", self.client_auth, ("body", "basic"))
        check_url(f"{SETTING}.token_url", self.token_url)
        check_text(f"{SETTING}.client_id", self.client_id, required=True)
        check_text(f"{SETTING}.client_secret", self.client_secret, required=True)
        if self.scope is not None:
            check_text(f"{SETTING}.scope", self.scope, required=True)
        for name, value in self.extra.items():
            check_text(f"{SETTING}.extra", name, required=True)
            check_text(f"{SETTING}.extra.{name}", value)
            if name in _GRANT:
                raise ConfigurationError(
                    f"the field {name} is set by the grant", where=f"{SETTING}.extra.{name}", hint="remove it"
                )

    def secrets(self) -> Iterator[str]:
        """Yield each text that must not be shown."""
        yield self.client_secret
        yield from self.extra.values()


Auth = Bearer | Basic | ApiKey | ClientCredentials

#: Fields of the request for a token that have settings of their own.
_GRANT = ("grant_type", "client_id", "client_secret", "scope")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigurationError(
            f"unknown {name} {value!r}", where=f"{SETTING}.{name}", hint=f"use {' or '.join(choices)}"
        )
