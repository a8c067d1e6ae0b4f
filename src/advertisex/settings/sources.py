"""Settings of the sources that are ingested, and of HTTP APIs."""

import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from advertisex.settings.durations import Duration, Wait
from advertisex.settings.secrets import Secret, SecretText, is_reference, resolved
from advertisex.settings.section import FeedName, Section, TimeFormat, with_type
from advertisex.settings.zones import zone_name

#: Schemes of object stores, and of all URLs that a source can have.
OBJECT_STORES = ("s3", "gs", "az")
SCHEMES = ("http", "https", *OBJECT_STORES)


_NAME = re.compile(r"[a-z0-9_-]{1,60}", re.ASCII)


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("use a-z, 0-9, _ and -, and at most 60 characters")
    return name


def _address(source: Any) -> Any:
    found = resolved(source)
    if is_reference(source) and "://" not in found:
        raise ValueError("the reference must yield a URL; write a path or a glob as it is")
    return found


def _followable(source: str) -> str:
    if source.strip() in {"", "-"}:
        raise ValueError("expected a file, folder, glob or URL")
    scheme, separator, _ = source.partition("://")
    if separator and scheme.lower() not in SCHEMES:
        raise ValueError(f"unknown scheme; known: {', '.join(f'{known}://' for known in SCHEMES)}")
    return source


def _as_text(since: Any) -> Any:
    """A cursor in the notation of the source: in TOML, a date or a number needs no quotes."""
    if isinstance(since, date):  # a datetime, too
        return since.isoformat().replace("+00:00", "Z")
    return str(since) if isinstance(since, int) and not isinstance(since, bool) else since


class BearerSettings(Section):
    """A token in the header Authorization."""

    type: Literal["bearer"]
    token: Secret = Field(description="bearer: the token, without the word Bearer")


class BasicSettings(Section):
    """A user and a password in the header Authorization."""

    type: Literal["basic"]
    user: SecretText = Field(description="basic: name of the user", repr=False)
    password: Secret = Field(description="basic: the password")


class ApiKeySettings(Section):
    """A key in a header or in a parameter of the URL."""

    type: Literal["api-key"]
    name: str = Field(min_length=1, description="api-key: name of the header or parameter")
    value: Secret = Field(description="api-key: the key")
    location: Literal["header", "query"] = Field(default="header", description="api-key: where it is sent")


class OAuth2Settings(Section):
    """A token of the OAuth 2.0 client credentials grant."""

    type: Literal["oauth2"]
    token_url: SecretText = Field(description="oauth2: URL that gives the token", repr=False)
    client_id: SecretText = Field(description="oauth2: identifier of the client", repr=False)
    client_secret: Secret = Field(description="oauth2: secret of the client")
    scope: str | None = Field(default=None, description="oauth2: scopes to ask for, separated by blanks")
    extra: dict[str, SecretText] = Field(
        default={}, description="oauth2: further fields of the request for a token, such as audience", repr=False
    )
    client_auth: Literal["body", "basic"] = Field(
        default="body", description="oauth2: how identifier and secret are sent: in the body, or as basic"
    )


AuthSettings = BearerSettings | BasicSettings | ApiKeySettings | OAuth2Settings


class PaginateSettings(Section):
    """How the next page of an API is asked for. The parts are those of `ingestion.options.paginate.Paginate`."""

    type: Literal["header-link", "json-link", "cursor", "page", "offset", "none"] = Field(
        description="how the next page is asked for; default: recognised in the answers, if that is unambiguous"
    )
    next_path: str | None = Field(default=None, description="json-link: dotted path of the URL in the body")
    cursor_path: str | None = Field(default=None, description="cursor: dotted path of the cursor in the body")
    cursor_header: str | None = Field(default=None, description="cursor: header with the cursor, instead of a path")
    param: str | None = Field(
        default=None, description="cursor, page, offset: parameter of the URL that takes the cursor, page or offset"
    )
    body_param: str | None = Field(
        default=None, description="the same as a dotted path in the JSON body of a POST, instead of a parameter"
    )
    start: int | None = Field(default=None, description="page, offset: the first one; default: 1 and 0")
    limit: int | None = Field(default=None, description="offset: number of records to ask for")
    limit_param: str | None = Field(default=None, description="offset: parameter that takes the limit; default: limit")
    total_path: str | None = Field(default=None, description="page, offset: dotted path of the total number of records")


class ApiSettings(Section):
    """How HTTP APIs are asked. The settings of a source override these."""

    headers: dict[str, SecretText] = Field(default={}, description="headers sent with each request", repr=False)
    timeout: Wait = Field(default=30.0, description="time without data before a request fails")
    retry_wait: Wait = Field(default=5.0, description="wait before the first retry; doubles, with jitter")
    attempts: int = Field(default=5, ge=1, description="attempts before giving up, without --follow")
    requests_per_second: float | None = Field(default=None, gt=0, description="maximum rate of requests per source")
    proxy: SecretText | None = Field(
        default=None, description="URL of a proxy; default: HTTP_PROXY, HTTPS_PROXY and NO_PROXY", repr=False
    )
    ca_file: Path | None = Field(default=None, description="PEM file of the CA to trust, instead of the usual ones")


class _Place(Section):
    """What a source is called, and where it is."""

    name: Annotated[str, AfterValidator(_name)] | None = Field(
        default=None,
        description="name for `--source` and `advertisex sources`; a-z, 0-9, _ and -",
    )
    feed: FeedName = Field(description="impressions, clicks or bids")
    source: Annotated[str, BeforeValidator(_address), AfterValidator(_followable)] = Field(
        description="file, folder, glob, or http(s), s3, gs or az URL", repr=False
    )
    every: Wait = Field(default=5.0, description="time between polls")


class ReadingSettings(Section):
    """How records are read and mapped. The names match the options of `advertisex ingest`."""

    map: dict[str, str] = Field(default={}, description="read a column as a field: column = field")
    set: dict[str, str] = Field(default={}, description="set a field of every record to a constant: field = value")
    time_formats: tuple[TimeFormat, ...] = Field(default=(), description="strptime formats of its timestamps")
    format: str | None = Field(default=None, description="json, ndjson, csv, avro, parquet or xlsx; default: detected")
    encoding: str | None = Field(default=None, description="encoding of text, such as cp1252; default: detected")
    records: str | None = Field(default=None, description="key of the records in a JSON document")
    inherit: dict[str, str] = Field(
        default={}, description="copy a value around JSON records into each: parent.field = field"
    )
    columns: tuple[str, ...] = Field(default=(), description="names of the CSV columns, for files without a header")
    delimiter: str | None = Field(default=None, description="CSV delimiter; default: detected")
    quote: str | None = Field(default=None, description="CSV quote, or none; default: a double quote")
    escape: str | None = Field(
        default=None, description="character before a quote in a quoted CSV cell; default: quotes are doubled"
    )
    multiline: bool = Field(default=False, description="whether quoted CSV cells may hold line ends anywhere")
    skip: int | None = Field(default=None, description="lines before the CSV header; default: detected")
    decimal: str | None = Field(default=None, description="decimal mark of numbers in text: . or ,")
    thousands: str | None = Field(default=None, description="separator of groups of three digits in numbers in text")


class SourceSettings(ReadingSettings, _Place):
    """A source that `advertisex run` follows. The names match the options of `advertisex ingest`."""

    method: Literal["GET", "POST"] = Field(default="GET", description="API: method of its requests")
    body: SecretText | None = Field(default=None, description="API: body of a POST", repr=False)
    headers: dict[str, SecretText] = Field(
        default={}, description="API: headers sent with each request, besides api.headers", repr=False
    )
    auth: Annotated[AuthSettings | None, with_type(AuthSettings)] = Field(
        default=None, discriminator="type", description="API: how requests are authenticated"
    )
    paginate: PaginateSettings | None = Field(default=None, description="API: how the next page is asked for")
    max_pages: int | None = Field(default=None, ge=1, description="API: maximum number of pages of a poll")
    cursor: str | None = Field(
        default=None, min_length=1, description="API: field whose largest value so far is {cursor} in the next poll"
    )
    lookback: Duration = Field(
        default=timedelta(0), description="API: how far {since} lies before {cursor}, for late records"
    )
    since: Annotated[str, BeforeValidator(_as_text)] | None = Field(
        default=None, min_length=1, description="API: {since} of the first poll, in the notation of the cursor"
    )
    requests_per_second: float | None = Field(default=None, gt=0, description="as api.requests_per_second")
    timeout: Wait | None = Field(default=None, description="as api.timeout")
    retry_wait: Wait | None = Field(default=None, description="as api.retry_wait")
    attempts: int | None = Field(default=None, ge=1, description="as api.attempts")
    proxy: SecretText | None = Field(default=None, description="as api.proxy", repr=False)
    ca_file: Path | None = Field(default=None, description="as api.ca_file")


class _Partner(Section):
    """What a partner is called, and which days it means."""

    name: Annotated[str, AfterValidator(_name)] = Field(description="name for `--partner`; a-z, 0-9, _ and -")
    zone: Annotated[str, AfterValidator(zone_name)] | None = Field(
        default=None, description="time zone of its days; default: found by trying all"
    )


class PartnerSettings(ReadingSettings, _Partner):
    """How the reports of a partner are read by `advertisex reconcile`; the names match its options."""


#: Sources or partners.
Named = TypeVar("Named", SourceSettings, PartnerSettings)


def source_title(name: Any, number: int | str) -> str:
    """Return how errors name a source of the settings: by its name, else by its number, from 0 on."""
    return name if isinstance(name, str) and _NAME.fullmatch(name) else str(number)


def unique_names(sources: tuple[Named, ...]) -> tuple[Named, ...]:
    """Return the sources, or partners.

    Raises:
        ValueError: two of them have one name.
    """
    numbers = Counter(source.name for source in sources if source.name is not None)
    if twice := [name for name, number in numbers.items() if number > 1]:
        raise ValueError(f"the name {twice[0]!r} is given twice")
    return sources
