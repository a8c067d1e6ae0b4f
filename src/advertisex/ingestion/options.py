"""Options of ingestion."""

from dataclasses import dataclass, field, replace
from typing import get_args

from advertisex.errors import ConfigurationError
from advertisex.ingestion.csv.dialect import CsvDialect
from advertisex.ingestion.formats import Format
from advertisex.ingestion.mapping import FieldMapping
from advertisex.settings.model import ApiSettings

#: A longer wait is a typo, and very large values overflow the system's sleep.
_LONGEST_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How sources are read and their records mapped.

    Attributes:
        format: json, ndjson, csv, avro, parquet or xlsx; None detects it for each input.
        records: dotted path of the key with the records in a JSON document.
        columns: CSV column names, for files without a header.
        inherit: values that the records of an envelope take from it: dotted path in the envelope -> name in the record.
        dialect: how CSV text is written.
        mapping: how columns map to fields.
        headers: sent with each request to an HTTP API.
        follow: whether to keep running: poll APIs, watch files.
        every: seconds between polls.
        timeout: seconds for the connection to an HTTP API, and for each read.
        retry_wait: seconds before the first retry; doubles with each further one.
        max_attempts: attempts per API request before it fails; ignored with `follow`.
    """

    format: str | None = None
    records: str | None = None
    columns: tuple[str, ...] = ()
    inherit: dict[str, str] = field(default_factory=dict)
    dialect: CsvDialect = CsvDialect()
    mapping: FieldMapping = FieldMapping()
    headers: dict[str, str] = field(default_factory=dict)
    follow: bool = False
    every: float = 5.0
    timeout: float = 30.0
    retry_wait: float = 5.0
    max_attempts: int = 5

    def with_api(self, api: ApiSettings) -> "IngestOptions":
        """Return these options with the settings for HTTP APIs."""
        return replace(
            self, headers=api.headers, timeout=api.timeout, retry_wait=api.retry_wait, max_attempts=api.attempts
        )

    def checked(self) -> "IngestOptions":
        """Validate the options and return them.

        Raises:
            ConfigurationError: an option is invalid.
        """
        if self.format is not None and self.format not in get_args(Format):
            raise ConfigurationError(
                f"unknown format {self.format!r}", hint=f"expected one of {', '.join(get_args(Format))}"
            )
        self.dialect.check()
        for name, value in (
            ("every", self.every),
            ("timeout", self.timeout),
            ("retry_wait", self.retry_wait),
        ):
            if not 0 < value <= _LONGEST_SECONDS:
                raise ConfigurationError(f"{name} must be more than 0 seconds and at most a day, got {value:g} seconds")
        if self.max_attempts < 1:
            raise ConfigurationError(f"max_attempts must be at least 1, got {self.max_attempts}")
        return self
