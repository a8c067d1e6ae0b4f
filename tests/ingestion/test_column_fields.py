import json
from typing import Any

import pytest

from advertisex.feeds import FEEDS
from advertisex.ingestion.column_fields import Columns, ColumnSample
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Reading, Record

NOTHING = FieldMapping()


def columns_of(
    feed: str, records: list[Record], mapping: FieldMapping = NOTHING, format_: str = "json", **reading: Any
) -> Columns:
    sample = ColumnSample(FEEDS[feed], mapping)
    sample.add(records)
    return sample.columns(Reading(format=format_, **reading))


@pytest.mark.parametrize(
    ("columns", "mapping", "expected"),
    [
        (["timestamp", "user_id", "campaign"], NOTHING, ["timestamp", "user_id", "campaign_id"]),
        (["Timestamp", "User Id", "Campaign-ID", "Region"], NOTHING, ["timestamp", "user_id", "campaign_id", None]),
        (["campaign_id", "campaign"], NOTHING, ["campaign_id", "campaign_id"]),
        (["Kunde", "user_id"], FieldMapping({"Kunde": "user_id"}), ["user_id", "user_id"]),
        (["Kunde", "user_id"], FieldMapping({"Kunde": "website", "user_id": "Kunde"}), None),
        (["user_id", "campaign_id"], FieldMapping({}, {"user_id": "u"}), [None, "campaign_id"]),
        (["campaign_id", "campaign"], FieldMapping({}, {"campaign": "c"}), [None, None]),
        (["", "user_id", "x.y"], FieldMapping({"x.y": "value"}), ["user_id", "value"]),
        (["clicks", "value"], FieldMapping({"clicks": "value", "value": "clicks"}), ["value", "clicks"]),
    ],
)
def test_columns_of_a_table(columns: list[str], mapping: FieldMapping, expected: list[str | None] | None) -> None:
    if expected is None:
        with pytest.raises(Exception, match="no field"):
            columns_of("clicks", [], mapping, "csv", columns=columns)
        return
    found = columns_of("clicks", [], mapping, "csv", columns=columns)
    assert found.fields == dict(zip(filter(None, columns), expected, strict=True))
    assert found.unused == tuple(name for name, field in found.fields.items() if field is None)


@pytest.mark.parametrize("format_", ["json", "avro", "csv", "parquet"])
def test_required_fields_without_a_column_or_a_constant_are_missing(format_: str) -> None:
    found = columns_of("clicks", [{"campaign": "c", "x": "1"}], FieldMapping({}, {"user_id": "u"}), format_)
    assert found.missing == ("timestamp",)
    assert found.fields == {"campaign": "campaign_id", "x": None}


def test_columns_of_json_are_the_keys_of_all_examined_objects() -> None:
    records: list[Record] = [
        b'{"user_id": "u"}',
        b'{"timestamp": 1, "params": {"value": 1, "n": null}}',
        b"[1]",
        b"{",
        b"\x00",
    ]
    found = columns_of("clicks", records, FieldMapping({"params.value": "value"}))
    assert found.fields == {"user_id": "user_id", "timestamp": "timestamp", "params.value": "value", "params.n": None}
    assert found.missing == ("campaign_id",)


def test_an_object_that_is_null_elsewhere_is_not_a_column() -> None:
    found = columns_of("bids", [b'{"user": null}', b'{"user": {"user_id": "u"}}', b'{"user": null}'])
    assert found.fields == {"user.user_id": "user_id"}


def test_columns_of_openrtb_are_those_that_decoding_reads() -> None:
    request = {"id": "r", "imp": [{"bidfloor": 1, "x": 2}, {"y": 1}], "cur": ["USD"], "user": {"id": "u"}, "at": 1}
    site = {"page": "p", "cat": ["a"]}
    found = columns_of("bids", [json.dumps(request | {"site": site}).encode()])
    assert found.fields == {
        "id": "auction_id", "imp[0].bidfloor": "amount", "imp[0].x": None, "cur": "currency", "user.id": "user_id",
        "at": None, "site.page": "website", "site.cat": "targeting",
    }  # fmt: skip
    assert found.missing == ("timestamp",)


def test_columns_of_avro_are_nested_and_complete_from_the_schema() -> None:
    record: Record = {"buyer": {"user_id": "u"}, "price": 1, "targeting": {"age": "1"}}
    found = columns_of("bids", [record], FieldMapping({"price": "amount"}), "avro", columns=["buyer", "price", "later"])
    assert found.fields == {
        "later": None, "buyer.user_id": "user_id", "price": "amount", "targeting.age": "targeting",
    }  # fmt: skip


def test_the_cost_is_bounded() -> None:
    many: list[Record] = [b'{"a%d": 1}' % n for n in range(5_000)]
    assert len(columns_of("clicks", many).fields) == 1_000
    wide = b"{" + b",".join(b'"a%d":1' % n for n in range(300_000)) + b"}"
    assert columns_of("clicks", [wide]).fields == {}
    deep = b'{"a":' * 500 + b"1" + b"}" * 500
    assert len(columns_of("bids", [deep]).fields) == 1
