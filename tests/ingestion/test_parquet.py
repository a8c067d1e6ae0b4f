import contextlib
import io
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from advertisex.codecs.json_encode import json_message
from advertisex.codecs.unreadable import unwrap
from advertisex.errors import SourceError
from advertisex.ingestion.parquet.reader import ParquetReader
from advertisex.ingestion.stream import Stream


def parquet(frame: pl.DataFrame, **options: Any) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, **options)
    return file.getvalue()


def read(content: bytes) -> list[Any]:
    reader = ParquetReader(Stream(io.BytesIO(content), "x.parquet"))
    return [record for chunk in reader.chunks() for record in chunk.records]


def test_values_become_what_they_are_in_avro() -> None:
    utc = datetime(2026, 1, 5, 9, 0, 0, 250, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "user": [{"id": "u1", "scores": [0.1]}],
            "utc": [utc],
            "local": [datetime(2026, 1, 5, 9)],
            "day": [date(2026, 1, 5)],
            "clock": [time(9, 30)],
            "amount": [Decimal("12.340")],
            "ratio": [0.1],
            "large": [2**63 + 1],
            "text": [b"text"],
            "raw": [b"\xff"],
            "kind": ["a"],
            "none": [None],
        },
        schema_overrides={
            "user": pl.Struct({"id": pl.String, "scores": pl.List(pl.Float32)}),
            "amount": pl.Decimal(20, 3),
            "ratio": pl.Float32,
            "large": pl.UInt64,
            "kind": pl.Categorical(),
        },
    )
    (record,) = read(parquet(frame))
    assert json.loads(json_message(record)) == {
        "user": {"id": "u1", "scores": [0.1]},
        "utc": "2026-01-05T09:00:00.000250Z",
        "local": "2026-01-05T09:00:00",
        "day": "2026-01-05",
        "clock": "09:30:00",
        "amount": "12.340",
        "ratio": 0.1,
        "large": 2**63 + 1,
        "text": "text",
        "raw": "/w==",
        "kind": "a",
        "none": None,
    }


def test_a_time_outside_the_calendar_is_a_number_and_costs_no_other_value() -> None:
    frame = pl.DataFrame({"t": [0, 2**62, 1], "n": [1, 2, 3]}).with_columns(pl.col("t").cast(pl.Datetime("us", "UTC")))
    first, far, last = read(parquet(frame))
    assert (first["t"], first["n"]) == (datetime(1970, 1, 1, tzinfo=UTC), 1)
    assert far == {"t": 2**62, "n": 2}
    assert (last["t"].microsecond, last["n"]) == (1, 3)


@pytest.mark.parametrize("rows", [0, 1, 4_999, 12_345])
def test_rows_keep_their_order_over_row_groups(rows: int) -> None:
    frame = pl.DataFrame({"n": range(rows)}, schema={"n": pl.Int64})
    assert [record["n"] for record in read(parquet(frame, row_group_size=1_000))] == list(range(rows))


def test_the_columns_are_reported_before_the_rows() -> None:
    reader = ParquetReader(Stream(io.BytesIO(parquet(pl.DataFrame({"a": [1], "b": [2]}))), "x.parquet"))
    next(reader.chunks())
    assert reader.reading.columns == ["a", "b"]
    assert reader.reading.rows == 1


@pytest.mark.parametrize("damage", ["end", "footer", "data", "not Parquet"])
def test_a_damaged_file_is_an_error_without_the_text_of_a_library(damage: str) -> None:
    content = parquet(pl.DataFrame({"s": [str(n) for n in range(20_000)]}), row_group_size=10_000)
    middle = len(content) * 3 // 4
    footer = int.from_bytes(content[-8:-4], "little")
    damaged = {
        "end": content[:-1],
        "footer": content[: -8 - footer] + bytes(footer) + content[-8:],
        "data": content[:middle] + bytes(200) + content[middle + 200 :],
        "not Parquet": b"user_id\n1\n",
    }[damage]
    with pytest.raises(SourceError, match=r"truncated or damaged; nothing was read .x\.parquet"):
        read(damaged)


def test_damage_that_aborts_the_library_is_an_error() -> None:
    """These two bytes make Polars 2.1 allocate 2^61 bytes, which ends the process."""
    rows = [{"user_id": f"u{n}", "timestamp": "2026-01-05 09:00:00", "campaign_id": f"k{n % 3}"} for n in range(200)]
    content = bytearray(parquet(pl.DataFrame(rows), row_group_size=70))
    content[975], content[2728] = 133, 29
    with contextlib.suppress(SourceError):
        read(bytes(content))


def test_a_file_whose_name_is_a_pattern_is_one_file(tmp_path: Path, ingested) -> None:
    for name in ("a[1].parquet", "a1.parquet"):
        (tmp_path / name).write_bytes(parquet(pl.DataFrame({"user_id": [name]})))
    seen = ingested("impressions", tmp_path / "a[1].parquet")
    assert seen.messages == [b'{"user_id":"a[1].parquet"}']


def test_a_text_that_all_rows_share_does_not_fill_the_memory() -> None:
    frame = pl.DataFrame({"user_id": [f"u{row}" for row in range(3_000)], "note": ["x" * 500_000] * 3_000})
    file = io.BytesIO()
    frame.write_parquet(file, compression="zstd")
    assert len(file.getvalue()) < 100_000

    sizes, rows = [], 0
    for chunk in ParquetReader(Stream(io.BytesIO(file.getvalue()), "x.parquet")).chunks():
        sizes.append(sum(len(record["note"]) for record in chunk.records))
        rows += len(chunk.records)

    assert rows == 3_000
    assert max(sizes) <= 8 * 2**20


@pytest.mark.parametrize(
    "dtype", [pl.String, pl.Categorical, pl.List(pl.String), pl.List(pl.Categorical), pl.Struct({"t": pl.Categorical})]
)
def test_equal_texts_of_any_type_are_counted_as_often_as_they_occur(dtype: Any) -> None:
    text = "x" * 100_000
    value = {"t": text} if isinstance(dtype, pl.Struct) else [text] * 3 if isinstance(dtype, pl.List) else text
    content = parquet(pl.DataFrame({"note": pl.Series([value] * 400, dtype=dtype)}), compression="zstd")

    chunks = list(ParquetReader(Stream(io.BytesIO(content), "x.parquet")).chunks())

    assert sum(len(chunk.records) for chunk in chunks) == 400
    assert max(len(json.dumps(chunk.records)) for chunk in chunks) <= 8 * 2**20 + 100_000


def test_a_row_of_too_much_text_in_lists_costs_itself_alone() -> None:
    frame = pl.DataFrame({"user_id": ["a", "b"], "notes": [["x" * 100_000] * 200, ["y"]]})
    long, other = read(parquet(frame, compression="zstd"))
    found = unwrap(long)
    assert found is not None
    assert (found.reason, json.loads(found.body)) == ("too_long", {"user_id": "a"})
    assert "20,000,000 bytes of text" in found.detail
    assert other["user_id"] == "b"


def test_rows_that_become_too_large_are_an_error_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    content = parquet(pl.DataFrame({"n": [[None] * 2_000_000] * 5}, schema={"n": pl.List(pl.Int64)}))
    assert len(content) < 10_000
    monkeypatch.setattr("advertisex.ingestion.parquet.frames.DECODED_BYTES", 2**24)
    monkeypatch.setattr("advertisex.ingestion.parquet.reader._TOGETHER", (5, 4))
    with pytest.raises(SourceError, match="take more than 16,777,216 bytes of memory") as caught:
        read(content)
    assert "shorter lists" in caught.value.hint


def test_a_row_of_very_many_values_costs_itself_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.ingestion.parquet.reader.MOST_VALUES", 100)
    many = [None] * 101
    frame = pl.DataFrame(
        {"user_id": ["a", "b", "c", "d"], "kv": [{"n": [1]}, {"n": many}, {"n": many[:90]}, {"n": many[:90]}]},
        schema={"user_id": pl.String, "kv": pl.Struct({"n": pl.List(pl.Int8)})},
    )

    first, long, *others = read(parquet(frame))

    found = unwrap(long)
    assert [first["user_id"], *(one["user_id"] for one in others)] == ["a", "c", "d"]
    assert found is not None
    assert (found.reason, json.loads(found.body)) == ("too_many_values", {"user_id": "b"})
