"""Check the variables of the environment from which the client of an object store takes its settings.

The client panics when it builds a request of an invalid one, and writes to standard error; so they are checked before.
"""

import os
import re
from urllib.parse import urlsplit

from advertisex.errors import ConfigurationError
from advertisex.ingestion.urls import url_problem

#: The variable that allows an endpoint without encryption.
ALLOW_HTTP = {"s3": "AWS_ALLOW_HTTP", "gs": "GOOGLE_ALLOW_HTTP", "az": "AZURE_ALLOW_HTTP"}

_PREFIXES = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}
#: Variables with the endpoint of each store, in the order of their priority.
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
#: Other variables with a URL: where credentials come from.
_SERVERS = (
    "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_METADATA_ENDPOINT", "AWS_STS_ENDPOINT",
    "AZURE_AUTHORITY_HOST", "AZURE_IDENTITY_ENDPOINT", "AZURE_MSI_ENDPOINT", "AZURE_STORAGE_AUTHORITY_HOST",
)  # fmt: skip
#: Variables with a word that becomes a part of a host or a path.
_WORDS = (
    "AWS_DEFAULT_REGION", "AWS_REGION",
    "AZURE_AUTHORITY_ID", "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_AUTHORITY_ID", "AZURE_STORAGE_TENANT_ID",
    "AZURE_TENANT_ID",
)  # fmt: skip
_WORD = re.compile(r"[A-Za-z0-9_.-]+")
_URL = re.compile(r"https?://(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[!-~]*)?", re.IGNORECASE)
_LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}


def check_environment(scheme: str) -> None:
    """Check the variables of a store.

    Raises:
        ConfigurationError: one is invalid; the message names it, but does not show its value, which may be secret.
    """
    for name, value in sorted(os.environ.items()):
        if name.startswith(_PREFIXES[scheme]):
            _check(name, value, is_url=name in _ENDPOINTS[scheme] or name in _SERVERS)


def allows_http(scheme: str) -> bool:
    """Whether the endpoint may be one without encryption: on this machine, or if the user allows it."""
    endpoint = next((os.environ[name] for name in _ENDPOINTS[scheme] if os.environ.get(name)), "")
    return urlsplit(endpoint).hostname in _LOCAL_HOSTS or os.environ.get(ALLOW_HTTP[scheme], "").lower() == "true"


def _check(name: str, value: str, *, is_url: bool) -> None:
    where = f"environment variable {name}"
    if not value.isprintable() and not value.startswith(("{", "-----BEGIN")):  # JSON and PEM have lines
        raise ConfigurationError(
            "the value has a character that cannot be printed",
            where=where,
            hint="remove it; a file with Windows line ends leaves a carriage return at the end of each value",
        )
    if is_url and not _is_url(value):
        raise ConfigurationError(
            "the value is not a valid URL",
            where=where,
            hint="write it as https://host or http://host:port, or unset it",
        )
    if name in _WORDS and not _WORD.fullmatch(value):
        raise ConfigurationError(
            "the value is not a valid name", where=where, hint="use letters, digits and hyphens, or unset it"
        )


def _is_url(value: str) -> bool:
    """Whether a text is the URL of a server, without credentials, a query or a fragment."""
    found = _URL.fullmatch(value)
    return found is not None and not url_problem(value) and not set("?#") & set(value)
