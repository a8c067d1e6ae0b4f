"""Codecs of Avro container files. The decompressed size is bounded, against decompression bombs."""

import bz2
import lzma
import struct
import sys
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
import lz4.block  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Maximum decompressed size of a block in bytes. Writers flush at a few MiB at most.
BLOCK_BYTES = 128 * 2**20

#: What the codecs raise for corrupt input.
UNREADABLE = (
    ValueError, EOFError, OSError, struct.error, zlib.error, lzma.LZMAError, zstd.ZstdError,
    cramjam.DecompressionError, lz4.block.LZ4BlockError,
)  # fmt: skip


def _bounded(new_decompressor: Callable[[], Any]) -> Callable[[bytes], bytes]:
    """Return a codec for a decompressor that accepts a maximum output size."""

    def decompress(block: bytes) -> bytes:
        return _checked(new_decompressor().decompress(block, BLOCK_BYTES + 1))

    return decompress


def _zstandard(block: bytes) -> bytes:
    out = b""
    while block:  # a block may contain several frames
        frame = zstd.ZstdDecompressor()
        out += frame.decompress(block, BLOCK_BYTES + 1 - len(out))
        _checked(out)
        if not frame.eof:
            raise EOFError("the compressed data is truncated")
        block = frame.unused_data
    return out


def _snappy(block: bytes) -> bytes:
    data, checksum = block[:-4], block[-4:]
    _check_size(cramjam.snappy.decompress_raw_len(data))
    out = bytes(cramjam.snappy.decompress_raw(data))
    if zlib.crc32(out).to_bytes(4, "big") != checksum:
        raise ValueError("the checksum does not match")
    return out


def _lz4(block: bytes) -> bytes:
    (size,) = struct.unpack_from("<I", block)
    _check_size(size)
    return bytes(lz4.block.decompress(block))


def _checked(out: bytes) -> bytes:
    _check_size(len(out))
    return out


def _check_size(size: int) -> None:
    if size > BLOCK_BYTES:
        raise ValueError(f"it would decompress to more than {BLOCK_BYTES >> 20} MiB")


CODECS: dict[str, Callable[[bytes], bytes]] = {
    "null": _checked,
    "deflate": _bounded(lambda: zlib.decompressobj(-15)),
    "bzip2": _bounded(bz2.BZ2Decompressor),
    "xz": _bounded(lzma.LZMADecompressor),
    "snappy": _snappy,
    "zstandard": _zstandard,
    "lz4": _lz4,
}
