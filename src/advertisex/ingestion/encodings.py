"""Text encodings of inputs: what the first bytes show, and UTF-8 in place of UTF-16 and UTF-32."""

import codecs
import re

from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.stream import BLOCK, Stream

#: Byte order marks, the longest first: that of UTF-32 LE begins with that of UTF-16 LE.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Encodings in which an ASCII character takes more than one byte.
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
#: How `surrogateescape` represents bytes that cannot be decoded.
UNDECODED = re.compile("[\udc80-\udcff]")
#: Codecs that Python counts as text encodings, but that no file is written in.
_NOT_OF_FILES = ("idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "mbcs", "oem")
_ASCII = bytes(range(128))


def checked_encoding(name: str) -> str:
    """Return Python's name of a text encoding.

    Raises:
        ConfigurationError: it is not a known text encoding.
    """
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):  # a name with a NUL is a ValueError
        found = None
    if found is None or not getattr(found, "_is_text_encoding", True) or found.name in _NOT_OF_FILES:
        raise ConfigurationError(
            f"unknown encoding {name!r}",
            where="--encoding",
            hint="use a name such as utf-8, utf-16, cp1252, latin-1, shift_jis or gb18030",
        )
    return "utf-8" if found.name == "utf-8-sig" else found.name


def keeps_ascii(encoding: str) -> bool:
    """Whether ASCII characters are the same bytes in an encoding, so that line ends can be found without decoding."""
    try:
        return _ASCII.decode(encoding) == _ASCII.decode("ascii")
    except UnicodeError:
        return False


def shown_encoding(head: bytes) -> tuple[str | None, int]:
    """Return the encoding that the first four bytes show, and the length of the byte order mark; None if unknown.

    Without a mark, UTF-16 and UTF-32 are recognised by the zero bytes of an ASCII character (RFC 4627, section 3).
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name, len(mark)
    zeros = tuple(byte == 0 for byte in head[:4])
    patterns: dict[tuple[bool, ...], str] = {
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
    }
    return patterns.get(zeros), 0


#: Error handlers of `codecs`. They keep damage as a byte which is not UTF-8, so that it can be found; the second one
#: writes lone surrogates, which UTF-8 cannot contain, as escapes of JSON.
_KEEP_DAMAGE, _KEEP_SURROGATES = "advertisex.keep-damage", "advertisex.keep-surrogates"
_DAMAGE, _DAMAGE_BYTE = "\udcff", b"\xff"


def _keep_damage(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        return _DAMAGE_BYTE * (error.end - error.start), error.end
    if isinstance(error, UnicodeDecodeError):
        return _DAMAGE, error.end
    raise error


def _keep_surrogates(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        lone = error.object[error.start : error.end]
        return b"".join(_DAMAGE_BYTE if c == _DAMAGE else b"\\u%04x" % ord(c) for c in lone), error.end
    if isinstance(error, UnicodeDecodeError):
        try:
            return error.object[error.start : error.end].decode(error.encoding, "surrogatepass"), error.end
        except UnicodeDecodeError:
            return _DAMAGE, error.end
    raise error


codecs.register_error(_KEEP_DAMAGE, _keep_damage)
codecs.register_error(_KEEP_SURROGATES, _keep_surrogates)


class _Utf8:
    """A file that reads as UTF-8 what another stream has in a different encoding."""

    def __init__(self, stream: Stream, encoding: str, errors: str) -> None:
        self._stream, self._errors = stream, errors
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._ended = False

    def read(self, size: int = BLOCK) -> bytes:
        while not self._ended:
            data = self._stream.read1(size)
            self._ended = not data
            # a lone surrogate in UTF-16 is damage, too
            if text := self._decoder.decode(data, final=self._ended):
                return text.encode("utf-8", self._errors)
        return b""

    def close(self) -> None:
        self._stream.close()


def as_utf8(stream: Stream, encoding: str, *, json: bool = False) -> Stream:
    """Return a stream of the text in UTF-8, without its byte order mark.

    What cannot be decoded becomes a byte that is not UTF-8, so that it can be found.

    Args:
        stream: text at its first byte.
        encoding: its encoding, as Python names it.
        json: whether lone surrogates become escapes, as in JSON.
    """
    shown, mark = shown_encoding(stream.peek(4))
    if mark and shown == encoding:
        stream.read(mark)
    return Stream(_Utf8(stream, encoding, _KEEP_SURROGATES if json else _KEEP_DAMAGE), stream.name)


def text_encoding(stream: Stream, given: str | None) -> str:
    """Return the encoding of a text at its first byte: what its byte order mark says, else what the user says.

    Raises:
        SourceError: the user says UTF-16 or UTF-32, and the order of the bytes cannot be known.
    """
    shown, mark = shown_encoding(stream.peek(4))
    if given is None:
        return shown or "utf-8"
    name = checked_encoding(given)
    if shown and (mark or shown.startswith(name)):  # a mark wins, as in web pages
        return shown
    if name in {"utf-16", "utf-32"} and stream.peek(1):
        raise SourceError(
            f"the order of the bytes of {name} is unknown",
            where=stream.name,
            hint=f"use --encoding {name}-le or {name}-be",
        )
    return name
