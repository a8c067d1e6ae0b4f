"""What flows from a source to the log: chunks of records.

A record of `bytes` is a message already, and goes on as it is: a JSON slice, or something that could not be split
or parsed (processing will reject it, with its payload kept). A `dict` is a parsed row (CSV: text values) or an
Avro record, and has yet to be encoded.
"""

from typing import Any

Record = bytes | dict[str, Any]

#: Records that came together. An empty chunk says "nothing more for now": what is held back can be appended.
Chunk = list[Record]

PAUSE: Chunk = []

#: The heaviest message that is appended; a heavier one is an error of its source.
MESSAGE_BYTES = 256 * 2**20
