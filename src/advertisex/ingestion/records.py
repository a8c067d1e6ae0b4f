"""Chunks of records: what sources yield and the publisher appends.

A `bytes` record is already a message: a slice of JSON, or input that could not be split or parsed (processing rejects
it and keeps its payload). A `dict` is a CSV row (text values) or an Avro record, which still has to be encoded.
"""

from collections.abc import Iterator
from typing import Any

Record = bytes | dict[str, Any]

#: Records that were read together.
Chunk = list[Record]

#: An empty chunk: no input is available at the moment, so the publisher flushes its buffer.
PAUSE: Chunk = []

#: The name of an input (a file, a URL, stdin) and its records, which are read as they are iterated.
Input = tuple[str, Iterator[Chunk]]

#: Maximum size of a message in bytes; a larger one is an error of its source.
MESSAGE_BYTES = 256 * 2**20
