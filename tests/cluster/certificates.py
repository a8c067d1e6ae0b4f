"""Self-signed certificates for TLS servers on 127.0.0.1."""

from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.servers.tls import Tls


def certificate_for(host: str, folder: Path) -> Tls:
    """Create a certificate authority and a certificate for the host, signed by it."""
    authority = trustme.CA()
    certificate = authority.issue_cert(host)
    tls = Tls(folder / "server.key", folder / "server.pem", folder / "authority.pem")
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    tls.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    tls.certificate.write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    tls.authority.write_bytes(authority.cert_pem.bytes())
    return tls
