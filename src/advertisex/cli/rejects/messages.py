"""How a message is written: as JSON, and for people."""

from base64 import b64encode
from typing import Any


def payload_fields(payload: bytes) -> dict[str, Any]:
    """A message as `payload`: text where it is text, else base64, with `encoding`."""
    try:
        return {"payload": payload.decode()}
    except UnicodeDecodeError:
        return {"payload": b64encode(payload).decode(), "encoding": "base64"}


def readable(payload: bytes) -> str:
    """A message as one text for people: what is no text is escaped."""
    return payload.decode(errors="backslashreplace")
