"""Secure connections to Elasticsearch: which authority is trusted, and why one does not come about."""

import re
import ssl
from pathlib import Path

from elastic_transport import TlsError

from advertisex.errors import ConfigurationError

_REASON = re.compile(r"\[\w+: \w+\] (.+?)\.? \(_ssl\.c")
#: What no retry mends, and what does; the first sign that is found counts.
_HINTS = {
    "Hostname mismatch": "name the host in --store as its certificate does",
    "IP address mismatch": "name the host in --store as its certificate does",
    "has expired": "renew the cluster's certificate, and see whether the clock of this machine is right",
    "CERTIFICATE_VERIFY_FAILED": "name the PEM file of the authority that signed its certificate "
    "in elasticsearch.ca_file of the settings",
    "WRONG_VERSION_NUMBER": "it does not speak TLS: write elasticsearch:// for it",
    "RECORD_LAYER_FAILURE": "it does not speak TLS: write elasticsearch:// for it",
}


def check_authority(file: Path) -> None:
    """See whether this file can be trusted, before every request would fail.

    Raises:
        ConfigurationError: it is absent, or no certificate is in it.
    """
    try:
        ssl.create_default_context(cafile=file)
    except OSError as error:
        why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror or str(error)
        raise ConfigurationError(
            f"setting elasticsearch.ca_file: {why}",
            where=str(file),
            hint="name the PEM file of the authority that signed the cluster's certificate",
        ) from error


def tls_hint(error: Exception) -> str:
    """What to do about a secure connection that does not come about, or "" when trying again may help."""
    if not isinstance(error, TlsError | ssl.SSLError):
        return ""
    return next((hint for sign, hint in _HINTS.items() if sign in str(error)), "")


def plain_reason(said: str) -> str:
    """The words among what a failure of TLS is told with, if it is one."""
    found = _REASON.search(said)
    return found[1] if found else said
