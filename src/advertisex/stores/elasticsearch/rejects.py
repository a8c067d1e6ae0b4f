"""Rejects in Elasticsearch: their document ids, and their marks."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import polars as pl

from advertisex.errors import StoreError
from advertisex.model import MARK_COLUMNS, Position
from advertisex.stores.elasticsearch.bulk import send
from advertisex.stores.elasticsearch.bulk_lines import BulkLines, chunks, lines_of
from advertisex.stores.elasticsearch.client import Connection


def document_ids() -> pl.Expr:
    """The document id of each reject of a frame with topic, partition and offset, escaped for a JSON string."""
    topic = pl.struct("topic").struct.json_encode().str.strip_prefix('{"topic":"').str.strip_suffix('"}')
    return pl.concat_str(topic, pl.lit("-"), "partition", pl.lit("-"), "offset")


def without_value(why: str) -> str:
    """An error message of Elasticsearch about a document, without the value that it may quote."""
    return why.partition(" Preview of field")[0]


def mark_jobs(
    connection: Connection, index: str, column: str, marks: Mapping[Position, str | None]
) -> Iterator[Callable[[threading.Event], None]]:
    """The jobs that set a column of rejects."""
    rows_ = pl.DataFrame([(*at, mark) for at, mark in marks.items()], schema=MARK_COLUMNS, orient="row")
    for chunk in chunks(rows_.rename({"mark": column})):
        ids = chunk.select(document_ids()).to_series()
        lines = lines_of(chunk.select(pl.struct(column).alias("doc")), pl.lit(ids), "update")
        for rows in lines.parts():
            yield partial(_mark, connection, index, lines, rows)


def _mark(connection: Connection, index: str, lines: BulkLines, rows: range, stop: threading.Event) -> None:
    waiting: Sequence[int] = rows
    while waiting:
        result = send(connection, index, lines, waiting, stop)
        for _, why in result.rejected:
            raise StoreError(f"cannot mark a reject: {without_value(why)}", where=str(connection.address))
        waiting = result.conflicts  # another writer changed them meanwhile
