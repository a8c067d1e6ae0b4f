"""Framing of an Avro datum in a message: single-object encoding or the Confluent wire format.

Single-object encoding: marker C3 01, then the schema's CRC-64-AVRO fingerprint (little-endian), then the datum
(Avro specification 1.12, "Single-object encoding"). Confluent: a zero byte, then the schema id (4 bytes,
big-endian), then the datum, or JSON (see `json_framing`).
"""

from typing import Any

import fastavro.schema

from advertisex.feeds.bids import AVRO_SCHEMA

MARKER = b"\xc3\x01"
CONFLUENT_MARKER = b"\x00"
CONFLUENT_HEADER_BYTES = 5


def fingerprint(schema: Any) -> bytes:
    """Return the CRC-64-AVRO fingerprint of a schema's parsing canonical form: 8 bytes, little-endian."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


#: Fingerprint of the schema of our own bid messages.
FINGERPRINT = fingerprint(AVRO_SCHEMA)
HEADER = MARKER + FINGERPRINT


def frame(body: bytes) -> bytes:
    """Wrap a datum of our own schema in single-object encoding."""
    return HEADER + body
