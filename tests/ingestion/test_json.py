import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.json.reader import LONE_SURROGATE
from advertisex.ingestion.json.value_end import extent
from advertisex.ingestion.records import Resume
from tests.budget import examples
from tests.ingestion.json_inputs import ARRAYS, SEQUENCES, Records, expected, read

_TEXTS = st.text(max_size=6) | st.sampled_from(["}{", '"},{"', "},\n{", "[{", "\\", 'a\\"b', "😀", "é"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_RECORDS = st.lists(st.dictionaries(_TEXTS, _VALUES, max_size=4), max_size=6)
_BLOCKS = st.sampled_from([1, 3, 17, 400, 2**20])
#: Bytes that are not in a message, if they are between values.
_SEPARATORS = b" \t\r\n\x0b\x0c,\x1e[]"


@settings(max_examples=examples(60))
@given(_RECORDS, st.sampled_from([*SEQUENCES, *ARRAYS]), _BLOCKS)
def test_records_read_back_equal_in_any_layout(records: Records, layout: str, block: int) -> None:
    text = (SEQUENCES | ARRAYS)[layout](records)
    seen = read(text.encode(), block=block)
    assert [json.loads(value) for value in seen.values] == expected(layout, records)
    assert seen.failure is None
    assert seen.lines == _lines_of(text.encode(), seen.values)


def _lines_of(text: bytes, values: list[Any]) -> list[int]:
    lines, at = [], 0
    for value in values:
        at = text.index(value, at)
        lines.append(text.count(b"\n", 0, at) + 1)
        at += len(value)
    return lines


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
@pytest.mark.parametrize("block", [1, 2**20])
def test_encodings(encoding: str, block: int) -> None:
    records = [{"a": "Köln 😀"}, {"a": 2}]
    seen = read("\n".join(json.dumps(r, ensure_ascii=False) for r in records).encode(encoding), block=block)
    assert [json.loads(value) for value in seen.values] == records
    assert seen.reading.detected.get("encoding", "utf-8")[:5] == encoding[:5]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('[{"a":1}, {"a": 2 }\n, 3, "x"]', [b'{"a":1}', b'{"a": 2 }', b"3", b'"x"']),
        ("[]", []),
        ("", []),
        (" \n ", []),
        ('"text"', [b'"text"']),
        ("5\n-6.0e10\nnull\n", [b"5", b"-6.0e10", b"null"]),
        ('{"a":\n1', ['{"a":\n1']),
        ('{"a":1} junk {"b":2}\n{"c":3}', [b'{"a":1}', "junk", b'{"b":2}', b'{"c":3}']),
        ('{"a":1}]\n{"b":1}', [b'{"a":1}', "]", b'{"b":1}']),
        ('x"a":{"b":1}}\n{"c":1}', ['x"a":{"b":1}}', b'{"c":1}']),
        ('{"a":"x}{"b":"y"}{"c":"z"}', ['{"a":"x}', b'{"b":"y"}', b'{"c":"z"}']),
        ('[{"a":"x},{"b":"y"},{"c":"z"}]', ['{"a":"x}', b'{"b":"y"}', b'{"c":"z"}']),
        ('[{"a":[{"b":1},{"b":2],"c":3}, {"d":4}]', ['{"a":[{"b":1},{"b":2],"c":3}', b'{"d":4}']),
        ('{"a":[\n{"b":2}\n{"c":3}\n', ['{"a":[', b'{"b":2}', b'{"c":3}']),
        ('{"l":[{"a":1},\n{"b":2}\n', ['{"l":[{"a":1}', b'{"b":2}']),
        ('{\n "a":,\n "b":{"c":1}\n}\n{\n "a":2\n}', ['{\n "a":,\n "b":{"c":1}\n}', b'{\n "a":2\n}']),
        ('[\n  {\n   "a": "x\n  },\n  {\n   "b": 1\n  }\n]', ['{\n   "a": "x\n  }', b'{\n   "b": 1\n  }']),
        ('[{"a":"x},{"b":1},{"c":2},{"d":"y},{"e":3}]', ['{"a":"x}', b'{"b":1}', b'{"c":2}', '{"d":"y}', b'{"e":3}']),
        ('[{"a":1},{"b":"x,"c":2}]', [b'{"a":1}', '{"b":"x,"c":2}']),
        # an object inside a damaged record is not a record
        ('[{"a":"x,"l":[{"b":1},{"c":2}],"d":3},{"e":4}]', ['{"a":"x,"l":[{"b":1},{"c":2}],"d":3}', b'{"e":4}']),
        ('[{"a":"x,"o":{"l":[{"b":1},{"c":2}]}},{"e":4}]', ['{"a":"x,"o":{"l":[{"b":1},{"c":2}]}}', b'{"e":4}']),
        ('[{"l":[{"a":"x,"b":[{},{"c":2}]},{}]},{"e":4}]', ['{"l":[{"a":"x,"b":[{},{"c":2}]},{}]}', b'{"e":4}']),
        ('[{"a",{"b":2}}, {"c":3}]', ['{"a",{"b":2}}', b'{"c":3}']),
        ('[{"a":1, {"b":2}, {"c":3}]', ['{"a":1', b'{"b":2}', b'{"c":3}']),
        ('{"a":{"b":1, {"c":2}\n{"d":3}\n', ['{"a":{"b":1', b'{"c":2}', b'{"d":3}']),
        (
            'text \x1b[2J\n{"a":1}\nlog: [{"b":1}, {"c":2}] [x]\n',
            ["text \x1b[2J", b'{"a":1}', "log:", b'{"b":1}', b'{"c":2}', "x"],
        ),
        ('x"a":{\n"b":1}}\n{"c":1}', ['x"a":{\n"b":1}}', b'{"c":1}']),
        ('{"a":NaN}\n{"a":1}', ['{"a":NaN}', b'{"a":1}']),
    ],
)
@pytest.mark.parametrize("block", [1, 2**20])
def test_a_fragment_costs_itself_alone(text: str, values: list[bytes | str], block: int) -> None:
    assert read(text.encode(), block=block).values == values


@settings(max_examples=examples(60))
@given(_RECORDS.filter(lambda records: len(records) > 1), st.data(), _BLOCKS)
def test_a_damaged_byte_costs_its_lines(records: Records, data: st.DataObject, block: int) -> None:
    lines = [json.dumps(r).encode() for r in records]
    text = bytearray(b"\n".join(lines))
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.sampled_from(b'{}[]",:\n\\x0 \xff\x00') | st.integers(0, 255))
    damaged = bytes(text[:at]).count(b"\n")
    intact = [lines[i] for i in range(len(lines)) if i not in (damaged, damaged + 1)]
    values = iter(read(bytes(text), block=block).values)
    # the line behind is lost only if it is now joined with the damaged one
    assert all(line in values for line in intact)


@settings(max_examples=examples(100))
@given(st.text('{}[]",:\n\\x0 1e.-\x01', max_size=60), _BLOCKS)
def test_every_byte_is_in_a_message(text: str, block: int) -> None:
    seen = read(text.encode(), block=block)
    parts = [value.encode("latin-1") if isinstance(value, str) else value for value in seen.values]
    assert b"".join(parts).translate(None, _SEPARATORS) == text.encode().translate(None, _SEPARATORS)


@pytest.mark.parametrize(
    ("start", "repeated"),
    [("", '{"a":'), ("", "{"), ("x", "["), ("x", '"a":{'), ("", '"a":{\n'), ("[", "{x},"), ("\n\\", "x{{}[,")],
)
def test_hostile_text_is_read_in_linear_time(start: str, repeated: str) -> None:
    # a quadratic search takes minutes
    text = (start + repeated * (200_000 // len(repeated))).encode()
    values = read(text, block=2**17).values
    parts = [value.encode() if isinstance(value, str) else value for value in values]
    assert b"".join(parts).translate(None, _SEPARATORS) == text.translate(None, _SEPARATORS)


@pytest.mark.parametrize("cut", ['{"l":[{"a":1},', '{"l":[', '{"l":[[{"a":1}],', '{"l":[1,2', '{"l":', '{"l":{"a":1},'])
def test_a_line_that_was_cut_off_costs_itself_alone(cut: str) -> None:
    line = '{"text":"' + "x" * 1_000 + '"}'
    text = "\n".join([cut, *[line] * 5_000]).encode()
    values = read(text, block=2**17).values
    assert values == [cut.rstrip(","), *[line.encode()] * 5_000]


def test_an_array_that_is_not_closed_is_reported() -> None:
    seen = read(b'[{"a":1},\n{"b":2}')
    assert seen.values == [b'{"a":1}', b'{"b":2}']
    assert str(seen.failure) == "an array is not closed (x.json:2); the input may be truncated: get it again"


@pytest.mark.parametrize("block", [1, 5, 2**20])
def test_a_lone_surrogate_costs_a_character(block: int) -> None:
    texts = [rb'{"a":"\ud800x","b":"\ud83d\ude00"}', rb'{"a":"\\ud800 \uDC00"}', rb'{"a":"\ud83d\ud83d\ude00"}']
    seen = read(b"\n".join(texts), block=block)
    assert seen.values == [
        rb'{"a":"\ufffdx","b":"\ud83d\ude00"}',
        rb'{"a":"\\ud800 \ufffd"}',
        rb'{"a":"\ufffd\ud83d\ude00"}',
    ]
    assert list(seen.reading.warnings.values()) == [3]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("block", [1, 2**20])
def test_a_lone_surrogate_costs_a_character_in_any_encoding(encoding: str, named: bool, block: int) -> None:
    text = '{"a":"\ud83dx\udc00","b":"\ud83d\ude00\ufffd"}\n{"a":1}'.encode(encoding, "surrogatepass")
    seen = read(text, block=block, dialect=CsvDialect(encoding=encoding if named else None))
    assert [json.loads(value) for value in seen.values] == [{"a": "\ufffdx\ufffd", "b": "😀\ufffd"}, {"a": 1}]
    assert seen.reading.warnings == {LONE_SURROGATE: 2}
    assert seen.reading.detected == {"encoding": encoding}


@settings(max_examples=examples(60))
@given(_RECORDS, st.sampled_from(list(SEQUENCES)), st.data())
def test_a_growing_text_is_continued(records: Records, layout: str, data: st.DataObject) -> None:
    text = SEQUENCES[layout](records).encode()
    sizes = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=3)))
    values: list[bytes | str] = []
    lines: list[int] = []
    resume: Resume | None = None
    for size in (*sizes, len(text)):
        seen = read(text[:size], block=7, resume=resume, final=False)
        done = [i for i, chunk in enumerate(seen.chunks) if chunk.resume is not None]
        if done:
            resume = seen.chunks[done[-1]].resume
            count = sum(len(chunk.records) for chunk in seen.chunks[: done[-1] + 1])
            values += seen.values[:count]
            lines += seen.lines[:count]
    assert [json.loads(value) for value in values] == expected(layout, records)
    assert lines == _lines_of(text, values)


@pytest.mark.parametrize(
    "text", [b'{"a":1}\n{"b":', b'{"a":1}\nhal', b'{"a":1}\n{"b":"x', b'{"a":1}\n12', b'{"a":1}\n"ab']
)
def test_an_incomplete_end_is_left_for_later(text: bytes) -> None:
    seen = read(text, final=False)
    assert seen.values == [b'{"a":1}']
    assert seen.chunks[-1].resume == Resume(8, 1)
    assert len(read(text).values) == 2


def test_an_array_cannot_be_continued() -> None:
    seen = read(b'[{"a":1},{"b":2},', final=False)
    assert [chunk.resume for chunk in seen.chunks] == [None]
    assert seen.failure is None


@pytest.mark.parametrize("value", [b'{"b":1}', b'{"b":[{}]}', b'[[],{"a":[1,{}]}]', b"[1]"])
def test_a_value_ends_where_its_brackets_close_whatever_is_around_it(value: bytes) -> None:
    for before, behind in ((b'"a":', b',"c":[]'), (b"", b"]"), (b"[", b",[]"), (b"[1,", b"")):
        assert extent(before + value + behind, len(before), 0).end == len(before + value)
