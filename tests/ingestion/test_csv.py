"""Rows of CSV files as dicts of text: dialects, encodings, and any table that is written in them."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.codecs.unreadable import Unreadable, unwrap
from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.csv.reader import CsvReader
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.likely_encoding import likely_encoding
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.stream import Stream
from tests.budget import examples
from tests.ingestion.csv_reading import ANY_HEADER, BLOCKS, CLICKS, read


def test_csv_spectrum_is_read_exactly(shared_data) -> None:
    folder = shared_data("csv_spectrum")
    files = sorted((folder / "csvs").glob("*.csv"))
    assert len(files) == 12
    for file in files:
        expected = json.loads((folder / "json" / f"{file.stem}.json").read_text("utf-8"))
        if file.stem == "location_coordinates":  # its JSON is a lone object, with another telephone number
            expected = [expected | {"Contact Phone Number": "2095257564"}]
        expected = [{name: value.strip() for name, value in row.items()} for row in expected]
        assert read(file.read_bytes()).rows == expected, file.name


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\n1,2\n", [{"a": "1", "b": "2"}]),
        (b"a;b\n1,5;2\n", [{"a": "1,5", "b": "2"}]),
        (b"a\tb\n1\t2", [{"a": "1", "b": "2"}]),
        (b"a|b\r1|2\r", [{"a": "1", "b": "2"}]),
        (b"a,b\n1,2\r3,4\r\n5,6", [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "5", "b": "6"}]),
        (b'"a;x",b\n1,2\n', [{"a;x": "1", "b": "2"}]),
        (b"sep=;\na;b\n1,5;2\n", [{"a": "1,5", "b": "2"}]),
        (b'\xef\xbb\xbf"sep=#"\r\na#b\r\n1#2\r\n', [{"a": "1", "b": "2"}]),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        (b"\xef\xbb\xbf\xef\xbb\xbfa,b\r\n1,2\r\n", [{"a": "1", "b": "2"}]),
        ("a,b\né,2\n".encode("utf-16"), [{"a": "é", "b": "2"}]),
        ("\ufeffa,b\né,2\n".encode("utf-16"), [{"a": "é", "b": "2"}]),
        ("a,b\né,2\n".encode("utf-32-be"), [{"a": "é", "b": "2"}]),
        (b'a,b\n"1\r\n2","say ""x"""\n', [{"a": "1\r\n2", "b": 'say "x"'}]),
        (b'a,b\n"1" ,\t"2"\n', [{"a": "1", "b": "2"}]),
        (b'a,b\n "x,""y"" " , z z \n', [{"a": 'x,"y"', "b": "z z"}]),
        (b'a,b\n5" ,x"y"\n', [{"a": '5"', "b": 'x"y"'}]),
        ("a,b\n\u00a0x\u3000,\x0by\x1f\n".encode(), [{"a": "x", "b": "y"}]),
        (b"a,b\n\n1,2\n,\n \t, \n\n", [{"a": "1", "b": "2"}]),
        (b"a,b\n1\n", [{"a": "1"}]),
        (b"a,b\n1,2,,\n", [{"a": "1", "b": "2"}]),
        (b",b\n1,2\n", [{"": "1", "b": "2"}]),
        (b"a\n\x00\n", [{"a": "\x00"}]),
        (b"a,b\n", []),
        (b"\n\n", []),
        (b"", []),
    ],
)
def test_rows_become_text_by_column(data: bytes, expected: list[Any]) -> None:
    assert read(data).rows == expected


def test_a_row_with_more_cells_than_columns_is_unreadable() -> None:
    seen = read(b"a,b\n1,2,3,\n4,5\n")
    assert seen.good == [{"a": "4", "b": "5"}]
    (bad,) = seen.bad
    assert (bad.reason, bad.body) == ("surplus_cells", b"1,2,3,")
    assert bad.detail.startswith("3 cells, but the header has 2 columns; hint: quote values")


@pytest.mark.parametrize(
    ("rows", "bad"),
    [
        ([b"1,2,3", b"1,x, y,"], [1]),
        ([b"1,2,3,", b"1,x, y,,", b"1,2,3,"], [1]),
        ([b"1,2,3,,", b"", b",,,", b"1,,,,"], []),
        ([b"1,2", b"1,x, y,"], [1]),
        ([b"1,2,3,4", b"1,2,3,"], [0]),
        ([b"1,x, y,", b"1,2,3", b"1,x, y,"], [2]),  # the first row is reported by the warning
    ],
)
@pytest.mark.parametrize("block", [1, 2**18])
def test_empty_cells_after_the_last_column_are_allowed_in_every_row_or_in_none(
    rows: list[bytes], bad: list[int], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BLOCKS, block)
    seen = read(b"\n".join([b"a,b,c", *rows, b""]))
    assert [row.body for row in seen.bad] == [rows[index] for index in bad]
    assert {row.reason for row in seen.bad} <= {"surplus_cells"}
    assert seen.reading.warnings.total() == (rows[0] == b"1,x, y,")


@pytest.mark.parametrize(
    ("data", "good", "bad"),
    [
        (b"a,b,,\n1,2,,\n3\n", [{"a": "1", "b": "2"}, {"a": "3"}], []),
        (b",a, ,\n0,1,,\n", [{"": "0", "a": "1"}], []),
        (b"a,,\n1,x,y\n2,,z\n", [{"a": "2", "": "z"}], [b"1,x,y"]),
        (b",a\n,1\n", [{"": "", "a": "1"}], []),
    ],
)
def test_unnamed_columns_lose_no_cells(data: bytes, good: list[Any], bad: list[bytes]) -> None:
    seen = read(data)
    assert seen.good == good
    assert [(row.reason, row.body) for row in seen.bad] == [("surplus_cells", body) for body in bad]


@pytest.mark.parametrize(
    ("options", "data", "expected"),
    [
        ({"quote": "none"}, b'a,b\n"x,y"\n', [{"a": '"x', "b": 'y"'}]),
        ({"quote": "'"}, b"a,b\n'x,''y''',\"z\n", [{"a": "x,'y'", "b": '"z'}]),
        ({"escape": "\\"}, rb'"a","b"' b"\n" rb'"x\"\\","\N\n"' b"\n", [{"a": 'x"\\', "b": r"\N\n"}]),
        ({"escape": "\\"}, b'a,b\n"x\\\ny","\\,"\n', [{"a": "x\ny", "b": ","}]),
        ({"escape": "\\", "quote": "none"}, b'a,b\nx\\,"y\\\\,\\N\n', [{"a": 'x,"y\\', "b": r"\N"}]),
        ({"escape": "\\", "quote": "none"}, b"a,b\nx\\\r\ny,z\n", [{"a": "x\r\ny", "b": "z"}]),
        ({"delimiter": "#"}, b"a#b\n1#2,\n", [{"a": "1", "b": "2,"}]),
        ({"delimiter": " "}, b'a b\n"1 1" 2\n', [{"a": "1 1", "b": "2"}]),
        ({"encoding": "cp1252"}, b"a,b\nK\xf6ln,\x80\n", [{"a": "Köln", "b": "€"}]),
        ({"encoding": "shift_jis"}, "a|b\n表|ソ\n".encode("shift_jis"), [{"a": "表", "b": "ソ"}]),
        ({"encoding": "utf-16"}, "a,b\né,2\n".encode("utf-16-be"), [{"a": "é", "b": "2"}]),
        ({"encoding": "cp037"}, "a,b\né,2\n".encode("cp037"), [{"a": "é", "b": "2"}]),
        ({"encoding": "cp1252"}, "\ufeffa,b\né,2\n".encode(), [{"a": "é", "b": "2"}]),
        ({"columns": ("x", "y")}, b"1;2\n", [{"x": "1", "y": "2"}]),
        ({"columns": ("x", "y")}, b"1,5;2,5\n", [{"x": "1,5", "y": "2,5"}]),
        ({"columns": ("x", "y"), "skip": 2}, b"?\n?\n1,2\n", [{"x": "1", "y": "2"}]),
        ({"skip": 2}, b"a,b\n1,2\n\nc,d\n3,4\n", [{"c": "3", "d": "4"}]),
    ],
)
def test_the_user_can_describe_the_dialect(options: Any, data: bytes, expected: list[Any]) -> None:
    assert read(data, **options).rows == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": '"'}, r"invalid delimiter.*\(--delimiter\); for a tab"),
        ({"quote": "ab"}, r"invalid quote 'ab'.*\(--quote\).*--quote none"),
        ({"escape": "n"}, r"invalid escape 'n'.*\(--escape\); use"),
        ({"quote": "'", "escape": "'"}, r"must be different characters \(--delimiter, --quote, --escape\); leave"),
        ({"encoding": "rot13"}, r"unknown encoding 'rot13' \(--encoding\); use a name such as"),
        ({"encoding": "base64"}, "unknown encoding"),
        ({"encoding": "idna"}, "unknown encoding"),
        ({"encoding": "no-such"}, "unknown encoding"),
        ({"encoding": "\0"}, "unknown encoding"),
        ({"decimal": ";"}, r"invalid decimal mark ';' \(--decimal\); use"),
        ({"thousands": "x"}, r"invalid separator of thousands 'x' \(--thousands\); use"),
        ({"decimal": ",", "thousands": ","}, r"both ',' \(--decimal, --thousands\); set"),
        ({"skip": -1}, r"skip must be at least 0, got -1 \(--skip\); it is"),
    ],
)
def test_an_invalid_dialect_is_reported(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CsvDialect(**options).check()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "xml"}, r"unknown format 'xml' \(--format\); expected one of json"),
        ({"columns": ("user_id", "")}, r"\(--columns\); give"),
        ({"columns": ("user_id", "user_id")}, r"'user_id' occurs twice \(--columns\); rename"),
        ({"columns": ("x", "y")}, r"none of the 2 columns is a field of clicks \(--columns\); use names"),
        ({"inherit": {"": "user_id"}}, r"\(--inherit\); write it as"),
        ({"every": 0.0}, r"0 seconds .*\(--every\); use"),
        ({"api": ApiOptions(timeout=float("nan"))}, r"nan seconds .*\(api.timeout\); use"),
        ({"api": ApiOptions(retry_wait=1e6)}, r"1e\+06 seconds .*\(api.retry_wait\); use"),
        ({"api": ApiOptions(attempts=0)}, r"0 attempts .*\(api.attempts\); use 1 or more"),
    ],
)
def test_an_invalid_option_is_reported(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        IngestOptions(**options).checked_for(CLICKS)


def test_what_was_detected_is_reported() -> None:
    seen = read(b"Report\n\nsome;column\n1;2\n\n", mapping=FieldMapping({"some": "user_id"}), decimal=",")
    assert seen.reading.detected == {
        "encoding": "utf-8", "delimiter": "semicolon", "quote": '"', "decimal": "comma", "header": "line 3",
    }  # fmt: skip
    assert seen.reading.columns == ["some", "column"]
    assert seen.reading.skipped == {"preamble": 2, "header": 1, "blank": 1}
    assert seen.lines == [4]


@pytest.mark.parametrize(
    ("text", "encoding", "likely"),
    [
        ("Köln", "cp1252", "cp1252"),
        ("Привет, мир, как дела сегодня", "cp1251", "cp1251"),
    ],
)
def test_a_row_in_another_encoding_is_unreadable_and_costs_no_other(text: str, encoding: str, likely: str) -> None:
    body = f'"{text}",1'.encode(encoding)
    seen = read(b"a,b\n" + body + b"\n3,4\n")
    assert seen.good == [{"a": "3", "b": "4"}]
    (bad,) = seen.bad
    assert (bad.reason, bad.body) == ("wrong_encoding", body)
    assert bad.detail == f"not text in utf-8; hint: use --encoding {likely} if that is its encoding"


@pytest.mark.parametrize(
    ("cell", "place"),
    [
        (b"K\xc3\xb6ln K\xc3", "byte 8 of the row is 0xC3"),  # UTF-8 that was cut off
        (b"\x00\x01\xfe", "byte 3 of the row is 0xFE"),
    ],
)
def test_a_row_in_no_usual_encoding_names_its_first_undecodable_byte(cell: bytes, place: str) -> None:
    seen = read(b"a,b\n" + cell + b",1\n3,4\n")
    assert seen.good == [{"a": "3", "b": "4"}]
    assert [row.detail for row in seen.bad] == [
        f"not text in utf-8, nor probably in another usual encoding: {place}; "
        "hint: get the file again, or name its encoding with --encoding"
    ]


def test_an_encoding_is_not_proposed_for_a_row_that_is_not_text_in_it() -> None:
    seen = read(b"a,b\n" + "Köln,1\n".encode("cp1252") + b"\x81\xfe,2\n" + "Bär,3\n".encode("cp1252"))
    assert ["--encoding cp1252" in row.detail for row in seen.bad] == [True, False, True]


@given(st.binary(min_size=1, max_size=60))
@settings(max_examples=60)
def test_only_usual_encodings_in_which_bytes_are_text_are_likely(data: bytes) -> None:
    usual = r"cp125\d|cp932|cp949|iso8859_\d+|koi8_[ru]|gb18030|big5|shift_jis|euc_.."
    found = likely_encoding(b"\xff" + data)
    assert found is None or (re.fullmatch(usual, found) and (b"\xff" + data).decode(found))


def test_damage_in_utf_16_costs_its_row() -> None:
    data = "a,b\n1,2\n3,4\n".encode("utf-16-le").replace("1".encode("utf-16-le"), b"\x00\xd8")
    seen = read(b"\xff\xfe" + data)
    assert seen.good == [{"a": "3", "b": "4"}]
    assert [row.reason for row in seen.bad] == ["wrong_encoding"]
    assert all(chunk.resume is None for chunk in seen.chunks)


def test_a_line_longer_than_a_message_costs_that_line_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.ingestion.csv.line_blocks.MESSAGE_BYTES", 100)
    monkeypatch.setattr(BLOCKS, 40)
    for end in (b"\n", b"\r\n", b"\r"):
        data = end.join([b"a,b", b"1,2", b"x" * 1000, b'"3', b"y" * 500, b"5,6", b""])
        seen = read(data)
        assert seen.good == [{"a": "1", "b": "2"}, {"a": "5", "b": "6"}]
        assert seen.lines == [2, 3, 4, 5, 6]
        assert [(row.reason, row.body[:2]) for row in seen.bad] == [
            ("too_long", b"xx"),
            ("ambiguous_quotes", b'"3'),
            ("too_long", b"yy"),
        ]
        assert "line 5: 500 bytes" in seen.bad[2].detail
        assert seen.reading.warnings == {"larger than 16 MiB, first on line 3: rejected; only the beginning is kept": 2}


def test_a_line_of_any_size_before_the_header_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.ingestion.csv.line_blocks.MESSAGE_BYTES", 100)
    monkeypatch.setattr(BLOCKS, 40)
    with pytest.raises(SourceError, match=r"a line of 1,000 bytes is before the first row \(x.csv:1\)"):
        read(b"x" * 1000 + b"\na,b\n1,2\n")


def test_an_input_that_fails_yields_its_whole_rows_but_no_part_of_one() -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            if data := super().read1(size):
                return data
            raise OSError(5, "Input/output error")

    options = IngestOptions(mapping=ANY_HEADER)
    chunks = CsvReader(Stream(Broken(b"a,b\n1,2\n3,4"), "x.csv"), CLICKS, options).chunks()
    assert next(chunks).records == [{"a": "1", "b": "2"}]
    with pytest.raises(SourceError, match="Input/output error"):
        list(chunks)


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff"), max_size=6) | st.text(
    ",;\"'\\\n\r 1a", max_size=6
)
TABLES = st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


def trimmed(table: list[tuple[str, ...]]) -> list[dict[str, str]]:
    rows = [dict(zip(("user_id", "b", "c"), map(str.strip, row), strict=True)) for row in table]
    return [row for row in rows if any(row.values())]


@settings(max_examples=examples(300))
@given(
    table=TABLES,
    delimiter=st.sampled_from(",;\t|"),
    quote=st.sampled_from("\"'"),
    end=ENDS,
    minimal=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_any_table_in_any_dialect_reads_back_equal(
    table: list[tuple[str, ...]], delimiter: str, quote: str, end: str, minimal: bool, encoding: str
) -> None:
    text = io.StringIO(newline="")
    characters = set().union(*(cell for row in table for cell in row))
    # the csv module does not quote a cell that begins with white space and a quote
    quoting = csv.QUOTE_MINIMAL if minimal and characters.isdisjoint(f"{quote} \t\r\n") else csv.QUOTE_ALL
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quotechar=quote, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(("user_id", "b", "c"))
    writer.writerows(table)
    seen = read(text.getvalue().encode(encoding), mapping=FieldMapping(), multiline=True, quote=quote)
    assert seen.rows == trimmed(table)


@settings(max_examples=examples(100))
@given(table=TABLES, delimiter=st.sampled_from(",;\t|"), end=st.sampled_from(["\n", "\r\n"]), quoted=st.booleans())
def test_any_table_with_escapes_reads_back_equal(
    table: list[tuple[str, ...]], delimiter: str, end: str, quoted: bool
) -> None:
    def escaped(cell: str) -> str:
        for character in '\\"' if quoted else f"\\{delimiter}\n":
            cell = cell.replace(character, f"\\{character}")
        return f'"{cell}"' if quoted else cell

    if not quoted:  # an escaped \r before the \n of the line end would be one line end
        table = [(a.replace("\r", ""), b.replace("\r", ""), c.replace("\r", "")) for a, b, c in table]
    rows = [("user_id", "b", "c"), *table]
    text = "".join(delimiter.join(map(escaped, row)) + end for row in rows)
    options = {"quote": '"' if quoted else "none", "escape": "\\", "multiline": True}
    seen = read(text.encode(), mapping=FieldMapping(), **options)
    assert seen.rows == trimmed(table)


@given(st.binary(max_size=300), st.sampled_from([None, "utf-16", "cp1252", "gb18030", "utf-7"]))
def test_any_bytes_can_be_read(data: bytes, encoding: str | None) -> None:
    if encoding != "utf-16" or data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        read(data, columns=("a", "b"), encoding=encoding)


def test_naughty_strings_survive(shared_data, tmp_path: Path, ingested) -> None:
    (path,) = shared_data("naughty_strings").rglob("*.json")
    strings = json.loads(path.read_text("utf-8"))
    assert len(strings) > 400
    with (tmp_path / "naughty.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(("user_id", "website"))
        writer.writerows((text, "x" + text) for text in strings)
    messages = ingested("impressions", tmp_path / "naughty.csv").messages
    read_back = [json.loads(message) for message in messages]
    assert read_back == [{"user_id": text.strip(), "website": f"x{text}".strip()} for text in strings]
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


def test_numbers_are_plain_in_the_log(tmp_path: Path, ingested) -> None:
    (tmp_path / "x.csv").write_text("user_id;cost;value;clicks\nu1;1.234,5;1.234,56;1.000\nu2;;5.0;1\n")
    (tmp_path / "x.json").write_text('{"user_id": "1.234", "value": "0,5", "clicks": 2}')
    dialect = CsvDialect(decimal=",")
    first, second, third = ingested("clicks", tmp_path / "x.csv", tmp_path / "x.json", dialect=dialect).messages
    assert json.loads(first) == {"user_id": "u1", "cost": "1.234,5", "value": "1234.56", "clicks": "1000"}
    unreadable = unwrap(second)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.reason == "ambiguous_number"
    assert unreadable.detail.startswith("value: '5.0' is not written like 1.234,56; hint: ")
    assert json.loads(unreadable.body) == {"user_id": "u2", "cost": "", "value": "5.0", "clicks": "1"}
    assert json.loads(third) == {"user_id": "1.234", "value": "0.5", "clicks": 2}
