"""The HTTP client: its proxies, and the certificate authorities that it accepts."""

import logging
import os
import ssl
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from urllib.request import getproxies

import httpx

from advertisex.ingestion.api.content_encoding import ACCEPTED
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.checks import authorities, check_url


class _WithoutQuery(logging.Filter):
    """Takes the query and the password out of the URL that httpx logs with each request."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                one.copy_with(username=None, password=None, query=None) if isinstance(one, httpx.URL) else one
                for one in record.args
            )
        return True


logging.getLogger("httpx").addFilter(_WithoutQuery())


def client_of(options: ApiOptions, on_response: Callable[[httpx.Response], None]) -> httpx.Client:
    """Return a client that follows no redirects and adds no headers of the options.

    Proxies and authorities come from the options, or else from the environment: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY,
    NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.

    Args:
        options: timeout, proxy and authorities.
        on_response: called with each response, before its body is read.

    Raises:
        ConfigurationError: a proxy or a file of authorities is invalid.
    """
    if options.proxy is None:
        _check_proxies_of_environment()
    return httpx.Client(
        timeout=options.timeout,
        proxy=options.proxy,
        verify=_authorities(options.ca_file),
        headers={"Accept-Encoding": ACCEPTED},
        event_hooks={"response": [on_response]},
    )


def has_proxy(options: ApiOptions, url: httpx.URL) -> bool:
    """Whether a proxy may be used for a URL."""
    return options.proxy is not None or not {url.scheme, "all"}.isdisjoint(getproxies())


def _check_proxies_of_environment() -> None:
    for scheme, url in getproxies().items():
        if scheme in ("http", "https", "all"):
            check_url(f"{scheme.upper()}_PROXY", url if "://" in url else f"http://{url}")


def _authorities(ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is not None:
        return authorities("api.ca_file", ca_file)
    if named := os.environ.get("SSL_CERT_FILE"):
        return authorities("SSL_CERT_FILE", Path(named))
    return _usual_authorities(os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=1)
def _usual_authorities(folder: str | None) -> ssl.SSLContext:
    """Return the context for the usual authorities, or those in a folder; reading them takes a while."""
    return ssl.create_default_context(capath=folder) if folder else httpx.create_ssl_context()
