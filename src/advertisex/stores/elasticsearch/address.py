"""The URL of a store in Elasticsearch: address and login."""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from elastic_transport import TlsError

from advertisex.errors import ConfigurationError

# TLS connections to Elasticsearch: the trusted authority, and hints for failures.

_REASON = re.compile(r"\[\w+: \w+\] (.+?)\.? \(_ssl\.c")
#: Hints for failures that a retry cannot fix, by a part of the message; the first match counts.
_HINTS = {
    "Hostname mismatch": "use the host name of the certificate in --store",
    "IP address mismatch": "use the host name of the certificate in --store",
    "has expired": "renew the cluster's certificate, or correct the clock of this machine",
    "CERTIFICATE_VERIFY_FAILED": "set elasticsearch.ca_file to the PEM file of the authority that signed the "
    "cluster's certificate",
    "WRONG_VERSION_NUMBER": "the server does not use TLS: use elasticsearch://",
    "RECORD_LAYER_FAILURE": "the server does not use TLS: use elasticsearch://",
}


def check_authority(file: Path) -> None:
    """Check that a CA file can be loaded, instead of failing on every request.

    Raises:
        ConfigurationError: the file does not exist, or contains no certificate.
    """
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        why = "the file contains no certificate" if isinstance(error, ssl.SSLError) else error.strerror or str(error)
        raise ConfigurationError(
            f"setting elasticsearch.ca_file: {why}",
            where=str(file),
            hint="set it to the PEM file of the authority that signed the cluster's certificate",
        ) from error


def tls_hint(error: Exception) -> str:
    """A hint for a failed TLS connection; "" if a retry may help."""
    if not isinstance(error, TlsError | ssl.SSLError):
        return ""
    return next((hint for sign, hint in _HINTS.items() if sign in str(error)), "")


def plain_reason(text: str) -> str:
    """The reason in an error message of OpenSSL; other messages are returned unchanged."""
    found = _REASON.search(text)
    return found[1] if found else text


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
    if not host or port == 0 or parts.query or parts.fragment or "@" in parts.path:  # an unescaped / in the password
        raise ConfigurationError(
            "invalid URL of the Elasticsearch store",
            hint="use elasticsearch://user:password@host:9200, with special characters in the password as %XX",
        ) from None
    return Address(
        host=host,
        port=9200 if port is None else port,
        secure=parts.scheme == "elasticsearch+https",
        path=parts.path.rstrip("/"),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )
