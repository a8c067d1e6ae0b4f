import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.csv.header import naming
from advertisex.ingestion.csv.reader import read_csv
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.stream import Stream


def rows(data: bytes, **options: Any) -> list[Any]:
    return [r for chunk in read_csv(Stream(io.BytesIO(data), "x.csv"), **options) for r in chunk]


def test_csv_spectrum_is_read_exactly(shared_data) -> None:
    folder = shared_data("csv_spectrum")
    files = sorted((folder / "csvs").glob("*.csv"))
    assert len(files) == 12
    for file in files:
        expected = json.loads((folder / "json" / f"{file.stem}.json").read_text("utf-8"))
        if file.stem == "location_coordinates":  # its JSON is a lone object, with another telephone number
            expected = [expected | {"Contact Phone Number": "2095257564"}]
        assert rows(file.read_bytes()) == expected, file.name


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b"a;b\n1,5;2\n", [{"a": "1,5", "b": "2"}]),
        (b"a\tb\n1\t2", [{"a": "1", "b": "2"}]),
        (b"a|b\r1|2\r", [{"a": "1", "b": "2"}]),
        (b'"a;x",b\n1,2\n', [{"a;x": "1", "b": "2"}]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        ("a,b\né,2\n".encode("utf-16"), [{"a": "é", "b": "2"}]),
        (b'a,b\n"1\r\n2","say ""x"""\n', [{"a": "1\r\n2", "b": 'say "x"'}]),
        (b"a,b\n\n1,2\n\n", [{"a": "1", "b": "2"}]),
        (b"a,b\n1\n", [{"a": "1"}]),
        (b"a,b\n1,2,,\n", [{"a": "1", "b": "2"}]),
        (b"a,b\n1,2,3\n4,5\n", [b"1,2,3", {"a": "4", "b": "5"}]),
        (b"a,b\n1,\xff\n4,5\n", [b"1,\xff", {"a": "4", "b": "5"}]),
        (b",b\n1,2\n", [{"": "1", "b": "2"}]),
        (b"a\n\x00\n", [{"a": "\x00"}]),
        (b"a,b\n", []),
        (b"", []),
    ],
)
def test_rows_become_text_by_column(data: bytes, expected: list[Any]) -> None:
    assert rows(data) == expected


def test_an_unclosed_quote_costs_one_line() -> None:
    assert rows(b'a,b\n1,"2\n3,4\n5,6\n') == [b'1,"2', {"a": "3", "b": "4"}, {"a": "5", "b": "6"}]


def test_an_unclosed_quote_far_from_the_end_costs_one_line() -> None:
    data = b'a,b\n1,"2\n' + b"3,4\n" * 400_000
    seen = rows(data)
    assert seen[0] == b'1,"2'
    assert seen[1:] == [{"a": "3", "b": "4"}] * 400_000


def test_rescans_of_unclosed_lines_are_bounded() -> None:
    line = b'a","'  # closes one quote and opens another, so that no line ever ends a record
    data = b"a,b\n" + (line + b"\n") * 600_000
    seen = rows(data)
    assert set(seen) == {line}
    assert len(seen) == 600_000


def test_a_line_longer_than_the_record_limit_is_passed_on_raw() -> None:
    giant = b"1," + b"x" * 3_000_000
    assert rows(b"a,b\n" + giant + b"\n3,4\n") == [giant, {"a": "3", "b": "4"}]


def test_columns_can_be_given_for_files_without_a_header() -> None:
    assert rows(b"1,2\n", columns=("x", "y")) == [{"x": "1", "y": "2"}]
    assert rows(b"1#2\n", columns=("x", "y"), delimiter="#") == [{"x": "1", "y": "2"}]


def test_a_duplicate_column_in_the_header_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"duplicate column in the header: 'a' \(x.csv:1\); rename"):
        rows(b"a,b,a\n1,2,3\n")


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(
    table=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_output_of_csv_writer_round_trips(table: list[tuple[str, ...]], delimiter: str, end: str, quoting: int) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(("a", "b", "c"))
    writer.writerows(table)
    expected = [dict(zip("abc", row, strict=True)) for row in table]
    assert rows(text.getvalue().encode()) == expected


@given(st.binary(max_size=300))
def test_any_bytes_can_be_read(data: bytes) -> None:
    read = rows(data, columns=("a", "b"), delimiter=",")
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff") and data.strip(b"\r\n\xef\xbb\xbf"):
        assert read


def test_naughty_strings_survive(shared_data, tmp_path: Path, ingested) -> None:
    (path,) = shared_data("naughty_strings").rglob("*.json")
    strings = json.loads(path.read_text("utf-8"))
    assert len(strings) > 400
    with (tmp_path / "naughty.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(("user_id", "website"))
        writer.writerows((text, text) for text in strings)
    messages = ingested("impressions", tmp_path / "naughty.csv").messages
    assert [json.loads(m) for m in messages] == [{"user_id": text, "website": text} for text in strings]
    (tmp_path / "naughty.json").write_bytes(json.dumps([{"user_id": text} for text in strings]).encode())
    messages = ingested("impressions", tmp_path / "naughty.json").messages
    assert [json.loads(m)["user_id"] for m in messages] == strings


def test_open_bandit_impressions_with_a_mapping(shared_data, ingested) -> None:
    (path,) = shared_data("zozo_obd").rglob("bts_men.csv")
    mapping = FieldMapping({"item_id": "creative", "": "user_id"}, {"website": "https://zozo.jp"})
    messages = [json.loads(m) for m in ingested("impressions", path, mapping=mapping).messages]
    assert len(messages) == 10_000
    with path.open(newline="", encoding="utf-8") as file:
        for expected, message in zip(csv.DictReader(file), messages, strict=True):
            assert message["creative_id"] == expected["item_id"]
            assert message["timestamp"] == expected["timestamp"]
            assert message["website"] == "https://zozo.jp"
            assert "item_id" not in message


def test_a_header_in_words_maps_to_the_fields_of_the_feed() -> None:
    case_study = ["Creative Id", "User Id", "TImestamp", "Website", "Position"]
    named = naming(FEEDS["impressions"], FieldMapping())
    assert named(case_study) == ["creative_id", "user_id", "timestamp", "website", "Position"]


def test_mapped_and_ambiguous_columns_keep_their_names() -> None:
    named = naming(FEEDS["impressions"], FieldMapping(rename={"User Id": "creative_id"}))
    assert named(["User Id", "Website", "website"]) == ["User Id", "Website", "website"]


@pytest.mark.parametrize(
    "data",
    [
        b"user_id,m\xe4rke\nu1,x\nu2,y\n",
        b'user_id,"b\nu1,x\nu2,y\n',
        b'user_id,"b\n' + b"u1,x\n" * 300_000,
    ],
)
def test_an_unreadable_header_is_an_error_and_consumes_no_row(data: bytes) -> None:
    with pytest.raises(
        SourceError, match=r"could not read the header \(x.csv:1\); encode it as UTF-8, or .* --columns"
    ):
        rows(data)


def test_a_header_that_the_csv_module_rejects_is_an_error() -> None:
    class Limiting(io.BytesIO):
        """Other code lowers the field limit, which holds for the whole process, while the file is read."""

        def read1(self, size: int | None = -1, /) -> bytes:
            csv.field_size_limit(3)
            return super().read1(2)

    limit = csv.field_size_limit()
    try:
        with pytest.raises(SourceError, match="could not read the header"):
            list(read_csv(Stream(Limiting(b"abcd,b\n1,2\n"), "x.csv")))
    finally:
        csv.field_size_limit(limit)


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        ({}, True),
        ({"mapping": FieldMapping({"who": "user_id"}, {"website": "w"})}, True),
        ({"columns": ("user_id", "timestamp", "website")}, False),
        ({"mapping": FieldMapping({"u1": "user_id"})}, False),
        (
            {"mapping": FieldMapping({}, {"user_id": "u", "event_timestamp": "0", "website": "w", "creative": "c"})},
            False,
        ),
    ],
)
def test_a_file_without_a_header_does_not_lose_its_first_row(
    options: Any, reported: bool, tmp_path: Path, ingested
) -> None:
    (tmp_path / "x.csv").write_bytes(b"u1,2026-01-05,https://a.example\nu2,2026-01-05,https://b.example\n")
    seen = ingested("impressions", tmp_path / "x.csv", **options)
    messages = [str(failure) for failure in seen.failures]
    assert ["none of the 3 columns in the header is a field" in text for text in messages] == [True] * reported
    assert not any("u1" in text for text in messages)  # the message may be logged
    assert all("x.csv:1); name the columns with --columns, or map them with --map" in text for text in messages)
    assert bool(seen.messages) is not reported


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b,,\n1,2,,\n3\n", [{"a": "1", "b": "2"}, {"a": "3"}]),
        (b",a, ,\n0,1,,\n", [{"": "0", "a": "1"}]),
        (b"a,,\n1,x,y\n2,,z\n", [b"1,x,y", {"a": "2", "": "z"}]),
        (b",a\n,1\n", [{"": "", "a": "1"}]),
    ],
)
def test_unnamed_columns_lose_no_cells(data: bytes, expected: list[Any]) -> None:
    assert rows(data) == expected
