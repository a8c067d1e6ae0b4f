"""Options of ingestion."""

from collections import Counter
from dataclasses import dataclass, field
from typing import get_args

from advertisex.codecs.bid_fields import OPENRTB_NAMES
from advertisex.errors import ConfigurationError
from advertisex.feeds import Feed
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.formats import Format
from advertisex.ingestion.mapping import FieldMapping, canonical
from advertisex.ingestion.naming import Naming
from advertisex.ingestion.options.api import ApiOptions, check_seconds


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
        api: how an HTTP API is asked.
        follow: whether to keep running: poll APIs, watch files.
        every: seconds between polls.
        name: name of the source in the settings; empty if it has none. Files with a name are read incrementally, like
            followed ones, also without `follow`.
    """

    format: str | None = None
    records: str | None = None
    columns: tuple[str, ...] = ()
    inherit: dict[str, str] = field(default_factory=dict)
    dialect: CsvDialect = CsvDialect()
    mapping: FieldMapping = FieldMapping()
    api: ApiOptions = ApiOptions()
    follow: bool = False
    every: float = 5.0
    name: str = ""

    def checked_for(self, feed: Feed) -> "IngestOptions":
        """Validate the options for the records of a feed and return them.

        Raises:
            ConfigurationError: an option is invalid, or names an unknown field.
        """
        self.checked()
        self.mapping.for_feed(feed)
        self._check_inherited(feed)
        naming = Naming(feed, self.mapping)
        if self.columns and not naming.known(naming.columns(self.columns)) and not naming.is_complete(self.columns):
            raise ConfigurationError(
                f"none of the {len(self.columns)} columns is a field of {feed.name}",
                where="--columns",
                hint=f"use names such as {', '.join(f.name for f in feed.fields[:3])}, or map them with --map",
            )
        return self

    def checked(self) -> "IngestOptions":
        """Validate the options and return them.

        Raises:
            ConfigurationError: an option is invalid.
        """
        if self.format is not None and self.format not in get_args(Format):
            raise ConfigurationError(
                f"unknown format {self.format!r}",
                where="--format",
                hint=f"expected one of {', '.join(get_args(Format))}",
            )
        self.dialect.check()
        self._check_columns()
        for path, name in self.inherit.items():
            if not path or not name:
                raise ConfigurationError(
                    f"{path!r} = {name!r} needs a path and a name",
                    where="--inherit",
                    hint="write it as PARENT.FIELD=FIELD",
                )
        check_seconds("--every", self.every)
        self.api.check()
        return self

    def _check_inherited(self, feed: Feed) -> None:
        """Check that each inherited value has a use: as a field, as a mapped column, or in an OpenRTB request."""
        columns = {name for column in self.mapping.rename for name in (column, column.partition(".")[0])}
        used = columns | (OPENRTB_NAMES if feed.wire == "avro" else set())
        for name in self.inherit.values():
            if name not in used:
                canonical(name, feed, "--inherit")

    def _check_columns(self) -> None:
        if "" in self.columns:
            raise ConfigurationError(
                "the name of a column is empty", where="--columns", hint="give columns to ignore any other name"
            )
        if twice := [name for name, number in Counter(self.columns).items() if number > 1]:
            raise ConfigurationError(f"{twice[0]!r} occurs twice", where="--columns", hint="rename one of them")
