"""What the user may say about an ingest."""

import re
from dataclasses import dataclass, field
from typing import get_args

from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.csv_source import Naming
from advertisex.ingestion.formats import Format
from advertisex.ingestion.json_shape import Shape
from advertisex.ingestion.mapping import FieldMapping

#: Longer waits are a slip of the pen, and the system cannot sleep without end.
_LONGEST_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How sources are read and what is done to their records.

    Attributes:
        format: json, ndjson, csv or avro; None finds it out for each input.
        records: dotted path of the key that holds the array of records in a JSON document.
        columns: names of the CSV columns, for files without a header.
        delimiter: of CSV; None finds it in the first line.
        mapping: how columns become fields.
        headers: sent to an HTTP API.
        follow: go on for ever: poll the API, watch the files.
        every: seconds from one poll to the next.
        timeout: seconds for a connection, and for each read, of an HTTP API.
        retry_wait: seconds before the first retry; it doubles from there.
        max_attempts: how often an API is asked, without `follow`, before it is given up.
    """

    format: str | None = None
    records: str | None = None
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    mapping: FieldMapping = FieldMapping()
    headers: dict[str, str] = field(default_factory=dict)
    follow: bool = False
    every: float = 5.0
    timeout: float = 30.0
    retry_wait: float = 5.0
    max_attempts: int = 5

    def checked(self) -> "IngestOptions":
        """These options, once they are known to make sense.

        Raises:
            ConfigurationError: one of them does not.
        """
        if self.format is not None and self.format not in get_args(Format):
            raise ConfigurationError(
                f"unknown format {self.format!r}", hint=f"use one of {', '.join(get_args(Format))}"
            )
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ConfigurationError(
                f"a delimiter is one character, not {self.delimiter!r}",
                hint="for a tab give --delimiter $'\\t'",
            )
        for name, value in (
            ("every", self.every),
            ("timeout", self.timeout),
            ("retry_wait", self.retry_wait),
        ):
            if not 0 < value <= _LONGEST_SECONDS:
                raise ConfigurationError(f"{name} must be more than 0 seconds and at most a day, not {value:g} seconds")
        if self.max_attempts < 1:
            raise ConfigurationError(f"max_attempts must be at least 1, not {self.max_attempts}")
        return self

    def shape(self, feed: Feed) -> Shape:
        """How a JSON document of this feed is told from an envelope around an array of them."""
        names = {name for field in feed.fields for name in field.names}
        mapped = {source.partition(".")[0] for source in self.mapping.rename}
        return Shape(own_names=frozenset(names | mapped | {"id"}), records=self.records)

    def naming(self, feed: Feed) -> Naming:
        """How the header of a CSV file names the columns: `User Id` is read as `user_id` where the feed has that name.

        A column that is mapped, and one whose name would come twice, keep the name that they have. A header that names
        no field is none but the first row, unless the constants give all that an event must have.
        """
        names = {name for field in feed.fields for name in field.names}
        complete = all(not self.mapping.constants.keys().isdisjoint(f.names) for f in feed.fields if f.required)

        def named(header: list[str]) -> list[str] | None:
            plain = [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in header]
            free = {name for name in names if plain.count(name) == 1} - set(header) - set(self.mapping.rename)
            mapped = self.mapping.rename
            columns = [
                name if name in free and cell not in mapped else cell for cell, name in zip(header, plain, strict=True)
            ]
            return columns if complete or not (names | mapped.keys()).isdisjoint(columns) else None

        return named
