"""The files with which a local server speaks TLS."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files; whoever needs a certificate brings them.

    Attributes:
        key: the server's private key, as PKCS #8 without a password.
        certificate: the server's certificate, and those between it and the authority's.
        authority: the certificate of the authority that signed it, which clients have to trust.
    """

    key: Path
    certificate: Path
    authority: Path
