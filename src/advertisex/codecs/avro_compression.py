"""Decompress the blocks of Avro container files, with a limit on the output size against decompression bombs."""

import bz2
import lzma
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
import lz4.block  # type: ignore[import-untyped]

from advertisex.limits import Limit

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BLOCK_BYTES = Limit(
    64 * 2**20,
    "bytes",
    of="an Avro block, decompressed",
    beyond="the block is damaged: its bytes are rejected, and the next one is read",
)

#: What the codecs raise for corrupt input.
UNREADABLE = (
    ValueError, EOFError, OSError, struct.error, zlib.error, lzma.LZMAError, zstd.ZstdError,
    cramjam.DecompressionError, lz4.block.LZ4BlockError,
)  # fmt: skip


class AvroDamage(ValueError):
    """A part of an Avro file is damaged; what is wrong with it, in words for the user."""


#: Decompresses a block; raises AvroDamage if the output is larger than the given number of bytes.
Decompress = Callable[[bytes, int], bytes]


def _bounded(new_decompressor: Callable[[], Any]) -> Decompress:
    """Return a codec for a decompressor that accepts a maximum output size."""

    def decompress(block: bytes, limit: int) -> bytes:
        return _checked(new_decompressor().decompress(block, limit + 1), limit)

    return decompress


def _zstandard(block: bytes, limit: int) -> bytes:
    out = b""
    while block:  # a block may contain several frames
        frame = zstd.ZstdDecompressor()
        out += frame.decompress(block, limit + 1 - len(out))
        _check_size(len(out), limit)
        if not frame.eof:
            raise AvroDamage("its compressed data is truncated")
        block = frame.unused_data
    return out


def _snappy(block: bytes, limit: int) -> bytes:
    data, checksum = block[:-4], block[-4:]
    _check_size(cramjam.snappy.decompress_raw_len(data), limit)
    out = bytes(cramjam.snappy.decompress_raw(data))
    if zlib.crc32(out).to_bytes(4, "big") != checksum:
        raise AvroDamage("its checksum does not match")
    return out


def _lz4(block: bytes, limit: int) -> bytes:
    (size,) = struct.unpack_from("<I", block)
    _check_size(size, limit)
    return bytes(lz4.block.decompress(block))


def _checked(out: bytes, limit: int) -> bytes:
    _check_size(len(out), limit)
    return out


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise AvroDamage(f"it would decompress to more than {limit >> 20} MiB")


CODECS: dict[str, Decompress] = {
    "null": _checked,
    "deflate": _bounded(lambda: zlib.decompressobj(-15)),
    "bzip2": _bounded(bz2.BZ2Decompressor),
    "xz": _bounded(lzma.LZMADecompressor),
    "snappy": _snappy,
    "zstandard": _zstandard,
    "lz4": _lz4,
}
