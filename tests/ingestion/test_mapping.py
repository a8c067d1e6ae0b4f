import json
from typing import Any

import pytest

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.mapping import FieldMapping

IMPRESSIONS, CLICKS = FEEDS["impressions"], FEEDS["clicks"]


@pytest.mark.parametrize(
    ("mapping", "record", "expected"),
    [
        (FieldMapping({"uid": "user_id"}), {"uid": "u", "x": "1"}, {"x": "1", "user_id": "u"}),
        (FieldMapping({"item": "creative"}), {"item": " n/a", "creative_id": "given"}, {"creative_id": "given"}),
        (FieldMapping({"a": "user_id", "b": "user_id"}), {"a": "u", "b": ""}, {"user_id": "u"}),
        (FieldMapping({"item": "creative"}), {"item": "c", "creative_id": "old"}, {"creative_id": "c"}),
        (FieldMapping({"user.id": "user_id"}), {"user": {"id": "u"}}, {"user": {"id": "u"}, "user_id": "u"}),
        (
            FieldMapping({"user.id": "user_id"}),
            {"user.id": "u", "user": {"id": "v"}},
            {"user": {"id": "v"}, "user_id": "u"},
        ),
        (FieldMapping({"gone": "user_id", "a.b.c": "website"}), {"a": {"b": 1}}, {"a": {"b": 1}}),
        (
            FieldMapping({"user_id": "website", "website": "user_id"}),
            {"user_id": "w", "website": "u"},
            {"user_id": "u", "website": "w"},
        ),
        (FieldMapping({}, {"website": "w"}), {"website": "old"}, {"website": "w"}),
        (FieldMapping(time_formats=("%d/%m/%Y",)), {"timestamp": "31/12/2024"}, {"timestamp": "2024-12-31T00:00:00"}),
        (
            FieldMapping({"t": "event_timestamp"}, {}, ("%Y%m%d", "%d.%m.%y %H:%M %z")),
            {"t": "31.12.24 10:00 +0200"},
            {"timestamp": "2024-12-31T10:00:00+02:00"},
        ),
        (FieldMapping(time_formats=("%Y%m%d",)), {"timestamp": 20241231}, {"timestamp": "2024-12-31T00:00:00"}),
        (FieldMapping(time_formats=("%Y%m%d",)), {"timestamp": "soon"}, {"timestamp": "soon"}),
        (
            FieldMapping(time_formats=("%Y-%m-%d %H:%M:%S %Z",)),
            {"timestamp": " 2026-01-05 09:00:00.25 GMT"},
            {"timestamp": "2026-01-05T09:00:00.250000+00:00"},
        ),
    ],
)
def test_columns_map_to_fields_in_rows_and_in_json(
    mapping: FieldMapping, record: dict[str, Any], expected: Any
) -> None:
    assert json.loads(Encoder(IMPRESSIONS, mapping).message(record)) == expected
    assert json.loads(Encoder(IMPRESSIONS, mapping).message(json.dumps(record).encode())) == expected


def test_unmapped_values_are_unchanged() -> None:
    encoder = Encoder(IMPRESSIONS, FieldMapping({"uid": "user_id"}))
    message = encoder.message(b'{"uid": "u", "n": 1.10, "big": 123456789012345678901234567890}')
    assert message == b'{"n":1.10,"big":123456789012345678901234567890,"user_id":"u"}'


@pytest.mark.parametrize("message", [b"{", b"[1]", b"\xff", b'"x"', b"", b"[" * 100_000])
def test_messages_other_than_objects_are_unchanged(message: bytes) -> None:
    assert Encoder(IMPRESSIONS, FieldMapping({"a": "user_id"})).message(message) == message
    assert Encoder(IMPRESSIONS).message(message) == message


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (FieldMapping({"a": "user"}), r"impressions has no field 'user' \(--map\); did you mean 'user_id'"),
        (FieldMapping({}, {"zzz": "1"}), r"no field 'zzz' \(--set\); expected one of user_id"),
        (FieldMapping(time_formats=("%Q",)), r"'%Q' is not a valid time format: unknown directive %Q"),
        (FieldMapping(time_formats=("soon",)), r"'soon' is not a valid time format: it has no directive"),
        (FieldMapping(time_formats=("%H:%M",)), r"'%H:%M' is not a valid time format: a date needs a year"),
    ],
)
def test_an_invalid_mapping_is_rejected(mapping: FieldMapping, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Encoder(IMPRESSIONS, mapping).message({})
