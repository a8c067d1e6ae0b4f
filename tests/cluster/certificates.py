"""Certificates of our own making, for servers that speak TLS on 127.0.0.1."""

from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from advertisex.testing.tls import Tls


def certificate_for(host: str, folder: Path) -> Tls:
    """A new authority, and a certificate for a host that it signed."""
    authority = trustme.CA()
    certificate = authority.issue_cert(host)
    made = Tls(folder / "server.key", folder / "server.pem", folder / "authority.pem")
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    made.certificate.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    made.authority.write_bytes(authority.cert_pem.bytes())
    return made
