import gzip
import io
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.codecs.json_split import Shape
from advertisex.errors import SourceError
from advertisex.ingestion.json_source import read_json, read_lines
from advertisex.ingestion.stream import Stream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BIDS = Shape(frozenset({"id", "user_id", "device", "timestamp"}))


def messages(data: bytes, shape: Shape = BIDS) -> list[bytes]:
    return [m for chunk in read_json(Stream(io.BytesIO(data), "x.json"), shape) for m in chunk]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'[{"a":1}, {"a": 2 }\n, 3, "x"]', [b'{"a":1}', b'{"a": 2 }', b"3", b'"x"']),
        (b"[]", []),
        (b"", []),
        (b" \n ", []),
        (b'{"a":1}', [b'{"a":1}']),
        (b'{\n "a": 1\n}\n', [b'{\n "a": 1\n}']),
        (b'\xef\xbb\xbf[{"a":1}]', [b'{"a":1}']),
        (b'{"a":1}\n{"a":2}', [b'{"a":1}', b'{"a":2}']),
        (b'\n{"a":1}\r\n\r\n{"a":\n', [b'{"a":1}', b'{"a":']),
        (b"[1]\n[2]\n", [b"[1]", b"[2]"]),
        (b'{"a":\n1', [b'{"a":\n1']),
        (b"[1,\n2", [b"[1,\n2"]),
        (b'"text"', [b'"text"']),
    ],
)
def test_a_document_is_split_into_its_records(document: bytes, expected: list[bytes]) -> None:
    assert messages(document) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'{"data":[{"u":1},{"u":2}],"page":1}', [b'{"u":1}', b'{"u":2}']),
        (b'{"data":[{"u":1}],"errors":[],"tags":["x"]}', [b'{"u":1}']),
        (b'{"data":[],"next":null}', []),
    ],
)
def test_an_envelope_is_opened(document: bytes, expected: list[bytes]) -> None:
    assert messages(document) == expected


@pytest.mark.parametrize(
    "record",
    [
        b'{"id":"1","imp":[{"id":"2"}]}',  # OpenRTB
        b'{"device":{},"imp":[{"x":1}]}',
        b'{"request":{"id":"1"},"calls":[{"x":1}]}',
        b'{"a":[{"x":1}],"b":[{"x":1}]}',
        b'{"a":[1,2]}',
        b'{"a":[{"x":1},2]}',
    ],
)
def test_a_record_with_arrays_stays_whole(record: bytes) -> None:
    assert messages(record) == [record]


@pytest.mark.parametrize("key", ["result.items", "result.more.deep"])
def test_the_array_can_be_selected(key: str) -> None:
    document = b'{"id":1,"result":{"items":[{"a":1}],"more":{"deep":[{"a":1}]}}}'
    assert messages(document, Shape(records=key)) == [b'{"a":1}']


def test_an_error_for_a_missing_array_shows_the_keys() -> None:
    with pytest.raises(SourceError, match=r"no records under key 'rows' \(x.json\); .* found: data"):
        messages(b'{"data":[]}', Shape(records="rows"))


@given(st.binary(max_size=500))
def test_no_byte_of_a_line_is_lost(data: bytes) -> None:
    lines = [m for chunk in read_lines(Stream(io.BytesIO(data), "x"), Shape()) for m in chunk]
    expected = [line.removesuffix(b"\r") for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    assert lines == [line for line in expected if line.strip(b" \t\r\x0b\x0c")]


@given(st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=4), max_size=5))
def test_array_and_lines_give_the_same_records(records: list[dict[str, object]]) -> None:
    slices = [msgspec.json.encode(record) for record in records]
    assert messages(msgspec.json.encode(records)) == slices
    if len(slices) > 1:
        assert messages(b"\n".join(slices)) == slices


def test_lines_can_span_read_blocks() -> None:
    lines = [b"%d" % n * 50_000 for n in range(100)]
    stream = Stream(io.BytesIO(b"\n".join(lines)), "x")
    assert [m for chunk in read_lines(stream, Shape()) for m in chunk] == lines


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_truncated_archive_keeps_what_was_read(pack, tmp_path: Path, ingested) -> None:
    import random

    numbers = random.Random(1)
    lines = [b'{"n":"%x"}' % numbers.getrandbits(512) for _ in range(5_000)]
    path = tmp_path / "cut.ndjson"  # the name has no archive extension
    path.write_bytes(pack(b"\n".join(lines))[:-200])
    seen = ingested("impressions", path)
    assert len(seen.messages) > 3_000
    assert seen.messages[:-1] == lines[: len(seen.messages) - 1]
    assert "truncated or corrupt" in str(seen.failures[0])
    assert str(path) in str(seen.failures[0])
    assert seen.published.failures == tuple(seen.failures)


@pytest.mark.parametrize(("pack", "suffix"), [(gzip.compress, ".gz"), (zstd.compress, ".zst")])
def test_archives_are_detected_by_content(pack, suffix: str, tmp_path: Path, ingested) -> None:
    for name, data in (("a.json", b'[{"a":1}]'), ("b.ndjson", b'{"a":1}\n'), ("c.csv", b"user_id\n1\n")):
        (tmp_path / (name + suffix)).write_bytes(pack(data))
    messages = ingested("impressions", tmp_path).messages
    assert messages == [b'{"a":1}', b'{"a":1}', b'{"user_id":"1"}']


def test_real_requests_reach_the_log_whole(shared_data, ingested) -> None:
    folder = shared_data("openrtb_prebid")
    files = sorted(folder.rglob("*.json"))
    seen = ingested("bids", folder)
    assert len(seen.messages) == len(files) == 251
    for file, message in zip(files, seen.messages, strict=True):
        assert file.read_bytes().removeprefix(b"\xef\xbb\xbf").strip() == message


def test_invalid_documents_reach_the_log_too(shared_data, ingested) -> None:
    folder = shared_data("exchange_bid_requests")
    seen = ingested("bids", folder)
    files = sorted(folder.glob("*.json"))
    whole = lines = 0
    for file in files:
        text = file.read_bytes()
        try:
            msgspec.json.decode(text)
            whole += 1
        except ValueError:
            counted = seen.published.sources[str(file)].messages
            first = text.strip().partition(b"\n")[0]
            assert counted == (1 if not _is_json(first) else len([x for x in text.split(b"\n") if x.strip()]))
            lines += counted
    assert len(files) - whole == 4
    assert len(seen.messages) == whole + lines
    archive = ingested("bids", folder / "plugins__exchange__testing__rubicon-samples.txt.gz", format="ndjson")
    text = gzip.decompress((folder / "plugins__exchange__testing__rubicon-samples.txt.gz").read_bytes())
    assert len(archive.messages) == len([line for line in text.splitlines() if line.strip()])


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except ValueError:
        return False
    return True


def test_the_selected_key_can_hold_a_single_record() -> None:
    document = b'{"description":"a sample","mockBidRequest":{"id":"r1","imp":[]}}'
    assert messages(document, Shape(records="mockBidRequest")) == [b'{"id":"r1","imp":[]}']
