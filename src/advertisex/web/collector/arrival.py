"""Gives records without a timestamp the time of their arrival."""

from datetime import UTC, datetime
from typing import Any

from advertisex.codecs.bid_fields import flattener
from advertisex.codecs.json_decode import decode_json
from advertisex.codecs.json_encode import json_message
from advertisex.codecs.json_text import NOT_JSON, json_object
from advertisex.feeds import Feed
from advertisex.feeds.words import is_missing
from advertisex.ingestion.records import Record


class ArrivalTime:
    """Sets the time of the records of one request. What is not a record stays as it is.

    Args:
        feed: the feed of the records.
    """

    def __init__(self, feed: Feed) -> None:
        self._time = next(field for field in feed.fields if field.kind == "time")
        self._flat = flattener(feed) if feed.wire == "avro" else None
        self._now = datetime.now(UTC).isoformat()

    def __call__(self, record: Record) -> Record:
        """Return the record with a timestamp."""
        if isinstance(record, dict):
            return record if self._has_time(record) else record | {self._time.name: self._now}
        try:
            if self._has_time(decode_json(record)):
                return record
            return json_message(json_object(record) | {self._time.name: self._now})  # the other values stay as sent
        except NOT_JSON:
            return record

    def _has_time(self, record: Any) -> bool:
        if not isinstance(record, dict):
            return True  # processing rejects it
        if self._flat is not None:
            return not is_missing(self._flat(record).get(self._time.name))
        return not all(is_missing(record.get(name)) for name in self._time.names)
