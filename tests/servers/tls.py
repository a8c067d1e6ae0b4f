"""The certificate files of a local server with TLS."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files, supplied by the caller.

    Attributes:
        key: the server's private key, PKCS #8 without a password.
        certificate: the server's certificate chain, without the root.
        authority: the CA certificate, which clients must trust.
    """

    key: Path
    certificate: Path
    authority: Path
