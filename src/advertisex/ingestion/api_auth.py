"""How requests to an API are authenticated, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token in the header Authorization.

    Attributes:
        token: the token, without the word Bearer.
    """

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Basic:
    """A user and a password in the header Authorization.

    Attributes:
        user: name of the user.
        password: the password.
    """

    user: str
    password: str = field(repr=False)


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

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    client_auth: Literal["body", "basic"] = "body"


Auth = Bearer | Basic | ApiKey | ClientCredentials
