"""How an Avro datum is framed in a message: single-object encoding, or Confluent's.

Single-object encoding: the marker C3 01, the schema's CRC-64-AVRO fingerprint in little-endian order, the
datum (Avro specification 1.12, "Single-object encoding"). Confluent: a zero byte, the schema's id in four
big-endian bytes, the datum.
"""

from typing import Any

import fastavro.schema

from advertisex.feeds.bids import AVRO_SCHEMA

MARKER = b"\xc3\x01"
CONFLUENT_MARKER = b"\x00"


def fingerprint(schema: Any) -> bytes:
    """The CRC-64-AVRO fingerprint of a schema's parsing canonical form: 8 bytes, little-endian."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


#: Of the schema of our own bid messages.
FINGERPRINT = fingerprint(AVRO_SCHEMA)
HEADER = MARKER + FINGERPRINT


def frame(body: bytes) -> bytes:
    """A datum of our own schema as a message in single-object encoding."""
    return HEADER + body
