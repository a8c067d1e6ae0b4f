"""Checks of what is sent to an API, before the first request. No error contains a value, which may be a secret."""

import re
import ssl
from pathlib import Path

from advertisex.errors import ConfigurationError
from advertisex.ingestion.urls import url_problem
from advertisex.reasons import reason_of

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: Headers that the request itself determines.
_OWN = ("content-length", "transfer-encoding", "connection", "host")
#: A setting, or a file or variable that it refers to, often ends with a line end that does not belong to the value.
_LINE_END_HINT = "remove it; a value that was read from a file often ends with one"


def check_header(setting: str, name: str, value: str) -> None:
    """Check a header; `setting` is the table that holds it.

    Raises:
        ConfigurationError: its name or its value is invalid.
    """
    valid = _NAME.match(name)  # what follows the valid part could be the value: `Authorization: Bearer …`
    check_header_name(f"{setting}.{valid[0][:40]}" if valid else setting, name)
    check_header_value(f"{setting}.{name}", value)


def check_header_name(where: str, name: str) -> None:
    """Check the name of a header; `where` is the setting that holds it.

    Raises:
        ConfigurationError: it is invalid, or the request itself sets this header.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            "the name of a header is empty or has a character that is not allowed",
            where=where,
            hint="use letters, digits and hyphens",
        )
    if name.lower() in _OWN:
        raise ConfigurationError("this header cannot be set", where=where, hint="remove it")


def check_header_value(where: str, value: str) -> None:
    """Check what is sent in a header; `where` is the setting that holds it.

    Raises:
        ConfigurationError: it cannot be sent.
    """
    check_text(where, value)
    if not value.isascii():
        raise ConfigurationError(
            "the value has a character outside ASCII, which a header cannot hold", where=where, hint="check the value"
        )
    if value != value.strip():
        raise ConfigurationError("the value begins or ends with a blank", where=where, hint="remove it")


def check_text(where: str, value: str, *, required: bool = False) -> None:
    """Check a text without line ends; `where` is the setting that holds it.

    Raises:
        ConfigurationError: it has a line end or a control character, or it is empty but required.
    """
    if required and not value:
        raise ConfigurationError("the value is empty", where=where, hint="set it, or remove the setting")
    if found := _CONTROL.search(value):
        is_line_end = found[0] in "\r\n\x85"
        raise ConfigurationError(
            f"the value has a {'line end' if is_line_end else 'control character'}",
            where=where,
            hint=_LINE_END_HINT if is_line_end else "remove it",
        )


def check_url(where: str, url: str) -> None:
    """Check the URL of a server; `where` is the setting that holds it.

    Raises:
        ConfigurationError: it is not the http or https URL of a host.
    """
    check_text(where, url, required=True)
    if problem := url_problem(url):
        hint = "write it as http://host:port or https://host"
        raise ConfigurationError(f"not a valid URL: {problem}", where=where, hint=hint)


def authorities(where: str, path: Path) -> ssl.SSLContext:
    """Return a context that accepts the certificate authorities in a PEM file; `where` is the setting that names it.

    Raises:
        ConfigurationError: the file cannot be read, or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"{path} has no valid certificate", where=where, hint="use a file with certificates in PEM format"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"could not read {path}: {reason_of(error)}", where=where, hint="check the name of the file"
        ) from error
