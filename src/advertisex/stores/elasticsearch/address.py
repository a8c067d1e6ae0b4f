"""The URL of a store in Elasticsearch: address and login."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from advertisex.errors import ConfigurationError
from advertisex.masking import remember


@dataclass(frozen=True, slots=True)
class Address:
    """Address of a cluster, and the login for it; `str` leaves out the login."""

    host: str
    port: int
    secure: bool
    path: str = ""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"elasticsearch{'+https' if self.secure else ''}://{host}:{self.port}{self.path}"


def address_of(url: str) -> Address:
    """Parse `elasticsearch://user:password@host:9200` or `elasticsearch+https://…`; a path is that of a gateway.

    Raises:
        ConfigurationError: the URL is invalid. The message does not repeat it, because it may contain a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if "?" in url and "@" not in url.partition("?")[2]:  # otherwise an unescaped ? in the password
        raise ConfigurationError(
            "the URL of an Elasticsearch store cannot have parameters",
            hint="set an API key in the setting elasticsearch.api_key, or use elasticsearch://user:password@host:9200",
            setting=("store", "url"),
        )
    if not host or port == 0 or parts.query or parts.fragment or "@" in parts.path:  # an unescaped / in the password
        raise ConfigurationError(
            "invalid URL of the Elasticsearch store",
            hint="use elasticsearch://user:password@host:9200, with special characters in the password as %XX",
            setting=("store", "url"),
        ) from None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    remember(password, f"{user}:{password}")
    return Address(
        host=host,
        port=9200 if port is None else port,
        secure=parts.scheme == "elasticsearch+https",
        path=parts.path.rstrip("/"),
        user=user,
        password=password,
    )
