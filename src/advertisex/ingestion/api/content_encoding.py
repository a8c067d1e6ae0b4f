"""Decode Content-Encoding in small steps, so that a body that expands without end takes no more memory than its limit.

httpx decodes each piece of a body whole, ignores what follows the first member of a gzip body, does not notice a body
that ends early, and needs another library for zstd.
"""

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: What a request accepts.
ACCEPTED = "gzip, deflate, zstd"
#: Maximum number of decoded bytes per step.
_STEP = 2**18


class Damaged(Exception):
    """A body is not in the encoding that its headers name."""


class Truncated(Exception):
    """An encoded body ends early."""


class UnknownEncoding(Exception):
    """The name of an encoding that is not supported."""


class _Decoder(Protocol):
    """Decodes one member of a body.

    Attributes:
        eof: whether the end of the member was found.
        unused_data: what follows it.
    """

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, limit: int, /) -> bytes:
        """Return at most `limit` bytes; further ones come with further calls."""
        ...


class _Zlib(_Decoder):
    """Gives zlib the interface of `ZstdDecompressor`, which keeps the input that it has not used."""

    def __init__(self, bits: int) -> None:
        self._zlib = zlib.decompressobj(bits)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, limit: int, /) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, limit)


def _gzip(head: bytes) -> _Decoder:
    return _Zlib(zlib.MAX_WBITS | 16)


def _deflate(head: bytes) -> _Decoder:
    """Return the decoder of `deflate`, which some servers send without the header of zlib."""
    has_header = head[0] & 0x0F == 8 and len(head) > 1 and (head[0] << 8 | head[1]) % 31 == 0
    return _Zlib(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def _zstd(head: bytes) -> _Decoder:
    return zstd.ZstdDecompressor()


_DECODERS: dict[str, Callable[[bytes], _Decoder]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}
#: A body in more encodings than this is not sensible.
_LAYERS = 3


def decoded(parts: Iterable[bytes], encodings: str) -> Iterable[bytes]:
    """Return the decoded parts of a body.

    Args:
        parts: the body as it is sent.
        encodings: the value of Content-Encoding.

    Raises:
        UnknownEncoding: an encoding is not supported.
        Damaged: while the parts are read, the body is not in the encoding.
        Truncated: while the parts are read, the body ends early.
    """
    names = [name for part in encodings.lower().split(",") if (name := part.strip()) not in ("", "identity")]
    if unknown := [name for name in names if name not in _DECODERS]:
        raise UnknownEncoding(unknown[0])
    if len(names) > _LAYERS:
        raise UnknownEncoding(encodings)
    for name in reversed(names):
        parts = _decoded(parts, _DECODERS[name])
    return parts


def _decoded(parts: Iterable[bytes], decoder_of: Callable[[bytes], _Decoder]) -> Iterator[bytes]:
    decoder: _Decoder | None = None
    head = b""
    for part in parts:
        head += part
        if decoder is None and len(head) < 2:  # the first two bytes show which deflate it is
            continue
        data, head = head, b""
        while data:
            decoder = decoder or decoder_of(data)
            yield from _steps(decoder, data)
            data = decoder.unused_data if decoder.eof else b""
            decoder = None if decoder.eof else decoder
    if decoder is not None or head:
        raise Truncated


def _steps(decoder: _Decoder, data: bytes) -> Iterator[bytes]:
    """Yield what a decoder makes of some data, in steps."""
    try:
        while not decoder.eof and (step := decoder.decompress(data, _STEP)):
            yield step
            data = b""
    except (zlib.error, zstd.ZstdError) as error:
        raise Damaged from error
