"""Export of rejects: complete, and safe to open in a spreadsheet."""

import csv
import json
from base64 import b64decode
from io import StringIO

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from advertisex.model import STORED_REJECT_COLUMNS
from advertisex.rejects.export import flat, ndjson
from advertisex.reporting.csv_table import csv_of

PAYLOADS = st.binary(max_size=20) | st.sampled_from(["=1+1", "+1", "-1", "@a", "\t=1", '=a,"b"\r\n']).map(str.encode)


def rejects(payloads: list[bytes]) -> pl.DataFrame:
    many = len(payloads)
    columns = {
        "topic": ["ad_impressions"] * many, "partition": [3] * many, "offset": list(range(many)),
        "feed": ["impressions"] * many, "kind": ["rejected"] * many, "stage": ["decode"] * many,
        "reason": ["undecodable"] * many, "detail": ["=cmd"] * many, "payload": payloads,
        "ingested_at": [1_790_000_000_000_001] * many, "processed_at": [1_790_000_001_000_000] * many,
        "replayed_to": [None, "ad_impressions/3/9"] * (many // 2) + [None] * (many % 2),
        "resolution": ["a1b2"] + [None] * (many - 1) if many else [],
    }  # fmt: skip
    return pl.DataFrame({name: pl.Series(columns[name]).cast(dtype) for name, dtype in STORED_REJECT_COLUMNS.items()})


@given(st.lists(PAYLOADS, min_size=1, max_size=5))
def test_ndjson_contains_every_message_unchanged(payloads: list[bytes]) -> None:
    lines = b"".join(ndjson([rejects(payloads[:2]), rejects(payloads[2:])] if payloads[2:] else [rejects(payloads)]))
    found = [json.loads(line) for line in lines.splitlines()]

    assert [whole(one["payload"], one.get("encoding")) for one in found] == payloads
    assert found[0]["id"] == "ad_impressions/3/0"
    assert found[0]["ingested_at"] == "2026-09-21T14:13:20.000001Z"


@given(st.lists(PAYLOADS, min_size=1, max_size=5))
def test_csv_contains_every_message_and_no_formula(payloads: list[bytes]) -> None:
    text = b"".join(csv_of(flat(rejects(payloads)))).decode()
    rows = list(csv.DictReader(StringIO(text, newline="")))

    assert len(rows) == len(payloads)
    for row, payload in zip(rows, payloads, strict=True):
        assert not any(cell[:1] in set("=+-@\t\r") for cell in row.values() if cell)
        assert whole(row["payload"].removeprefix("'"), row["encoding"]) in (payload, payload.removeprefix(b"'"))


def whole(text: str, encoding: str | None) -> bytes:
    return b64decode(text) if encoding == "base64" else text.encode()
