"""Rows that cannot be read strictly: each costs itself, in linear time, and wherever a reader begins."""

import io
from itertools import product
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from advertisex.ingestion.csv.row_parser import RowParser
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.records import Resume
from tests.budget import examples, some
from tests.ingestion.csv_reading import BLOCKS, Read, read


def outcome(seen: Read) -> list[Any]:
    return [row if isinstance(row, dict) else row.body for row in seen.rows]


def row(a: str, b: str, c: str = "") -> dict[str, str]:
    return {"a": a, "b": b} | ({"c": c} if c else {})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'a,b\n"1"x,2\n3,4\n', [b'"1"x,2', row("3", "4")]),
        (b'a,b\n1,"2\n3,4\n5,6\n', [b'1,"2', row("3", "4"), row("5", "6")]),
        (b'a,b\n1,"2', [b'1,"2']),
        (b'a,b\n1,"2\nx\ny\n', [b'1,"2', row("x", "y")] and [b'1,"2', {"a": "x"}, {"a": "y"}]),
        (b'a,b\n1,"2\n3,"4"\n', [b'1,"2', row("3", "4")]),
        # two lost quotes: the second one is not the end of the first
        (b'a,b\n1,"2\n3,4"\n', [b'1,"2', row("3", '4"')]),
        (b'a,b\n"1,2\n"3,4\n', [b'"1,2', b'"3,4']),
        (b'a,b\n1,"2\r\n3,4\r\n', [b'1,"2', row("3", "4")]),
        # a record that lacks cells, or has too many
        (b'a,b,c\n1,"2\nx"\n3,4,5\n', [b'1,"2', {"a": 'x"'}, row("3", "4", "5")]),
        (b'a,b\n1,"2\nx",y\n3,4\n', [b'1,"2', row('x"', "y"), row("3", "4")]),
        # a blank line is not a row
        (b'a,b\n1,"2\n\nx"\n', [row("1", "2\n\nx")]),
        (b'a,b\n"1\nx",2\n', [row("1\nx", "2")]),
    ],
)
def test_a_quote_that_is_not_clear_costs_its_line(data: bytes, expected: list[Any]) -> None:
    seen = read(data)
    assert outcome(seen) == expected
    assert {bad.reason for bad in seen.bad} <= {"ambiguous_quotes"}


@pytest.mark.parametrize(
    ("data", "record"),
    [
        (b'a,b\n1,"2\n3,4\n5"\n', row("1", "2\n3,4\n5")),
        (b'a,b\n1,"2\n3,4"\n', row("1", "2\n3,4")),
        (b'a\n"1\n2"\n', {"a": "1\n2"}),
        (b'a,b,c\n1,"2\nx"\n', row("1", "2\nx")),
        (b'a,b\n1,"\n\n\n"\r\n', row("1", "")),
    ],
)
def test_multiline_makes_one_record_of_lines_that_look_like_rows(data: bytes, record: dict[str, str]) -> None:
    assert read(data, multiline=True).rows == [record]


@pytest.mark.parametrize(
    ("data", "options", "hint"),
    [
        (b'a,b\n"1"x,2\n', {}, "hint: --quote none if quotes are text"),
        (b'a,b\n"1\\"x",2\n', {}, "hint: --escape '\\' if a backslash"),
        (b'a,b\n1,"\\"2\n3,4\n', {}, "hint: --escape '\\' if a backslash"),
        (b'a,b\n1,"2\n3,4"\n', {}, "or a cell of several lines; hint: --multiline if it is one, --quote none"),
        (b'a,b\n1,"2\n3,4\n', {"multiline": True}, "unclosed quote; hint: --quote none"),
        (b"a,b\n1,x\\\n", {"escape": "\\"}, "an escape character outside quotes could be text"),
        (b"a,b\nx\\,1,2\n", {"escape": "\\"}, "an escape character outside quotes"),
        (b"a,b\n1,x\\\n", {"escape": "\\", "quote": "none"}, "trailing escape character; hint: omit --escape"),
        (b"a,b\n1,2\\\n3,4\n", {"escape": "\\", "quote": "none"}, "trailing escape character"),
    ],
)
def test_hints(data: bytes, options: Any, hint: str) -> None:
    detail = read(data, **options).bad[0].detail
    assert hint in detail
    assert len(detail) <= 115  # `rejects list` cuts longer ones


def test_a_row_may_be_open_for_a_bounded_number_of_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("advertisex.ingestion.csv.open_rows.LOOKAHEAD_LINES", 3)
    assert len(read(b'a,b\n1,"\nx\nx\nx"\n').rows) == 1
    assert len(read(b'a,b\n1,"\nx\nx\nx\nx"\n').rows) == 5
    monkeypatch.setattr("advertisex.ingestion.csv.open_rows.LOOKAHEAD_BYTES", 8)
    assert len(read(b'a,b\n1,"\nx\nx"\n').rows) == 3
    assert len(read(b'a,b\n1,"\nxx"\n').rows) == 1


@pytest.mark.parametrize(
    ("line", "options"),
    some(
        product(
            [b'a,"b', b'a","', b'"', b'x\\","', b'"",""x', b"a\\"],
            [{}, {"multiline": True}, {"escape": "\\"}, {"escape": "\\", "quote": "none"}],
        ),
        9,
    ),
)
def test_a_file_of_open_quotes_is_read_in_linear_time(
    line: bytes, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanned = 0
    scan = RowParser.scan

    def counted(self: RowParser, text: str, *, inside: bool = False) -> Any:
        nonlocal scanned
        scanned += len(text) + 1
        return scan(self, text, inside=inside)

    monkeypatch.setattr(RowParser, "scan", counted)
    size = 20_000
    seen = read(b"a,b,c,d\n" + (line + b"\n") * size, **options)
    assert seen.reading.rows >= size / 4
    assert scanned < 8 * size * (len(line) + 1)


def test_an_unclosed_quote_far_from_the_end_costs_one_line() -> None:
    assert outcome(read(b'a,b\n1,"2\n' + b"3,4\n" * 100_000)) == [b'1,"2', *[row("3", "4")] * 100_000]


def test_a_row_that_is_not_plain_leaves_those_around_it_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = [b'1,"2\n3"', b"1", b"1,2,", b"1,2,3", b"1, 2 ", b"", b'1,"2', b"1,\xff", b",2"]
    plain = [{"a": str(number), "b": "x"} for number in range(60)]
    text = b"".join(f"{row['a']},{row['b']}\n".encode() for row in plain)
    alone = [read(b"a,b\n" + text + row + b"\n" + text).rows[60:-60] for row in odd]
    monkeypatch.setattr("advertisex.ingestion.csv.table_rows.PIECE_BYTES", 50)
    seen = read(b"a,b\n" + text + b"".join(row + b"\n" + text for row in odd))
    assert seen.rows == [*plain, *(row for rows in alone for row in (*rows, *plain))]
    assert seen.lines == sorted(set(seen.lines))
    assert seen.lines[-1] == 1 + 60 + len(odd) * 61 + 1


NONE = FieldMapping()
HEADER = b"user_id,timestamp,campaign\n"
LINES = st.lists(
    st.sampled_from(
        [
            b"1,2,3", b'"1","2","3"', b'1,"2', b'x"', b'x",3', b'"x', b'1,"x"y,3', b"", b",,", b"1,\xff,3", b"1",
            b"1,2,3,4", b"timestamp,campaign,user_id", b"\xef\xbb\xbfuser_id,timestamp,campaign", b"Total:,-,",
            b"1,2,3,", b'","', b'""', b'"a""', b"End of report", b",by X,", b"End of report,,,",
            b"1,2,3timestamp,campaign,user_id",
        ]
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=examples(200))
@given(
    lines=LINES,
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    block=st.integers(1, 60),
    multiline=st.booleans(),
    closed=st.booleans(),
)
# more lines of a footer than are held: which of them are rows must not depend on where the reader began
@example(lines=[b'x"', b'x"', b"", b'x"', b'x"', b'x"'], end=b"\n", block=1, multiline=False, closed=False)
@example(lines=[b'x"', b"", b"", b'x"', b"Total:,-,", b'x"'], end=b"\n", block=1, multiline=False, closed=True)
def test_a_reader_continues_where_another_ended(
    lines: list[bytes], end: bytes, block: int, multiline: bool, closed: bool
) -> None:
    data = b"Report\n" + HEADER + end.join(lines) + (end if closed else b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("advertisex.ingestion.csv.table_rows.FOOTER_LINES", 2)
        whole = read(data, mapping=NONE, multiline=multiline)
        patch.setattr(BLOCKS, block)
        patch.setattr("advertisex.ingestion.csv.table_rows.PIECE_BYTES", block // 3)
        pieces = read(data, mapping=NONE, multiline=multiline)
        assert (pieces.rows, pieces.lines) == (whole.rows, whole.lines)
        assert pieces.reading.skipped == whole.reading.skipped
        seen: list[Any] = []
        for index, chunk in enumerate(pieces.chunks):
            seen += Read([chunk], pieces.reading).rows
            if chunk.resume is not None:
                resume = Resume(chunk.resume.position, chunk.resume.lines, dict(chunk.resume.known))
                rest = read(data[resume.position :], mapping=NONE, multiline=multiline, resume=resume)
                assert seen + rest.rows == whole.rows, index
                assert rest.lines == whole.lines[len(seen) :]


@settings(max_examples=examples(150))
@given(lines=LINES, end=st.sampled_from([b"\n", b"\r\n"]), cuts=st.lists(st.integers(0, 120), max_size=4))
def test_a_growing_file_gives_the_same_rows(lines: list[bytes], end: bytes, cuts: list[int]) -> None:
    data = b"Report\n\n" + HEADER + end.join([*lines, b""])
    seen: list[Any] = []
    resume = None
    for cut in [*sorted(cuts), len(data)]:
        start = resume.position if resume else 0
        if cut > start:
            part = read(data[start:cut], mapping=NONE, resume=resume, final=cut == len(data))
            seen += part.rows
            resume = next((chunk.resume for chunk in reversed(part.chunks) if chunk.resume), resume)
    assert seen == read(data, mapping=NONE).rows


@settings(max_examples=examples(200))
@given(
    table=st.lists(st.tuples(*[st.text("ab ,;é\"'\n", max_size=5)] * 2), min_size=1, max_size=8),
    place=st.integers(0, 10**6),
    byte=st.integers(0, 255),
    quoted=st.booleans(),
)
def test_one_damaged_byte_costs_only_the_rows_that_it_touches(
    table: list[tuple[str, ...]], place: int, byte: int, quoted: bool
) -> None:
    text = io.StringIO(newline="")
    starts = [len(HEADER)]
    cells = [(f"u{number}", *pair) for number, pair in enumerate(table)]
    for cell in cells:
        plain = [c if quoted else "".join(x for x in c if x not in ",\"\n'") for c in cell]
        text.write(",".join('"' + c.replace('"', '""') + '"' if quoted else c for c in plain) + "\n")
        starts.append(len(HEADER) + len(text.getvalue().encode()))
    data = bytearray(HEADER + text.getvalue().encode())
    before = read(bytes(data), mapping=NONE, multiline=True).rows
    assert len(before) == len(cells)
    place = len(HEADER) + place % (len(data) - len(HEADER))
    data[place] = byte
    touched = next(index for index, start in enumerate(starts[1:]) if place < start)
    # a damaged line end joins two rows
    lost = {touched, touched + 1} if place == starts[touched + 1] - 1 else {touched}
    after = read(bytes(data), mapping=NONE, multiline=True).rows
    assert [row for index, row in enumerate(before) if index not in lost and row not in after] == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_cut_character_of_a_wide_encoding_is_no_reason_to_name_another(encoding: str) -> None:
    data = "user_id,campaign\nu1,c1\nu2,c2".encode(encoding)[:-1]
    whole, found = read(data).rows
    assert whole == {"user_id": "u1", "campaign": "c1"}
    assert found.reason == "wrong_encoding"
    assert f"damaged text in {encoding}" in found.detail
    assert "--encoding" not in found.detail
