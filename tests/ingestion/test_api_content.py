"""Content-Encoding: decoded whole or reported, in bounded memory."""

import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.errors import SourceError, SourceUnavailable
from advertisex.ingestion.api.content_encoding import Damaged, Truncated, decoded
from advertisex.ingestion.api.request import Request
from advertisex.ingestion.options.api import ApiOptions
from tests.budget import examples
from tests.ingestion.conftest import connection_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
    "zstd": ("zstd", zstd.compress),
    "two": ("gzip, ZSTD", lambda data: zstd.compress(gzip.compress(data))),
    "none": ("identity", bytes),
}


@settings(max_examples=examples(40))
@given(
    st.sampled_from(list(ENCODERS)),
    st.lists(st.binary(max_size=50) | st.integers(1, 10**6).map(bytes), min_size=1, max_size=3),
    st.integers(1, 5_000),
)
def test_a_body_is_decoded_however_it_is_divided(name: str, members: list[bytes], size: int) -> None:
    header, encode = ENCODERS[name]
    body = b"".join(map(encode, members))
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    assert b"".join(decoded(parts, header)) == b"".join(members)


@settings(max_examples=examples(40))
@given(st.sampled_from([name for name in ENCODERS if name != "none"]), st.binary(max_size=1000), st.data())
def test_a_body_that_ends_early_is_noticed(name: str, content: bytes, data: st.DataObject) -> None:
    header, encode = ENCODERS[name]
    body = encode(content)
    cut = data.draw(st.integers(1, len(body) - 1))
    with pytest.raises((Truncated, Damaged)):
        list(decoded([body[:cut]], header))


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_body_in_another_encoding_is_damaged(encoding: str) -> None:
    with pytest.raises(Damaged):
        list(decoded([b'[{"user_id":"u"}]'], encoding))


@pytest.mark.parametrize("name", ["gzip", "raw deflate", "zstd"])
def test_an_encoded_response(server, answer, ingested, name: str) -> None:
    header, encode = ENCODERS[name]
    server.answers = [answer(encode(b'[{"a":1}]'), headers={"Content-Encoding": header}, chunked=True)]
    assert ingested("impressions", server.url).messages == [b'{"a":1}']
    assert server.asked[0].headers["accept-encoding"] == "gzip, deflate, zstd"


@pytest.mark.parametrize(
    ("body", "encoding", "kind", "message"),
    [
        (gzip.compress(b"[]" * 99, mtime=0)[:-9], "gzip", SourceUnavailable, "the response was truncated"),
        (b"[]", "gzip", SourceUnavailable, "damaged"),
        (b"[]", "br", SourceError, "unknown Content-Encoding 'br'"),
    ],
)
def test_an_encoding_that_fails(server, answer, body: bytes, encoding: str, kind: type, message: str) -> None:
    server.answers = [answer(body, headers={"Content-Encoding": encoding})]
    with connection_of(ApiOptions()) as connection, pytest.raises(kind, match=message):
        connection.send(Request(server.url), retry=False)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_of_10_gib_of_zeros_is_rejected_in_bounded_memory(server, answer, encoding: str) -> None:
    mebibyte = ENCODERS[encoding][1](bytes(2**20))
    server.answers = [answer(mebibyte * (10 * 1024), headers={"Content-Encoding": encoding})]
    tracemalloc.start()
    with (
        connection_of(ApiOptions(), body_bytes=8 * 2**20) as connection,
        pytest.raises(SourceError, match="larger than 8 MiB"),
    ):
        connection.send(Request(server.url), retry=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20
