"""Guesses the encoding of text that is not valid in the expected one: only a usual encoding, and only if it fits."""

import re
import unicodedata

from advertisex.ingestion.encodings import UNDECODED

#: Encodings in which people write files, as the library that guesses names them. UTF-16 is found by its first bytes.
_USUAL = (
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258",
    "iso8859_2", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_9", "iso8859_13", "iso8859_15",
    "koi8_r", "koi8_u", "gb18030", "big5", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949",
)  # fmt: skip
_GUESSED_BYTES = 4096
#: Bytes that no text has in these encodings; tabs, line ends and form feeds are in some.
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
#: In Western text, characters beyond ASCII stand alone or in pairs.
_MANY_BEYOND_ASCII = re.compile(rb"[\x80-\xff]{3}")


def likely_encoding(text: bytes) -> str | None:
    """Return the encoding that bytes are probably text in; None if unknown. They are not valid UTF-8."""
    if _BINARY.search(text) or _is_damaged_utf8(text):
        return None
    if not _MANY_BEYOND_ASCII.search(text) and could_be(text, "cp1252"):
        return "cp1252"
    from charset_normalizer import from_bytes  # noqa: PLC0415 - slow to import, and rarely needed

    best = from_bytes(text[:_GUESSED_BYTES], cp_isolation=list(_USUAL)).best()
    if best is None or not could_be(text, best.encoding) or not _is_of_letters(str(best)):
        return None
    return str(best.encoding)


def could_be(text: bytes, encoding: str) -> bool:
    """Whether bytes can be text in an encoding in which ASCII is ASCII."""
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return not _BINARY.search(text)


def first_undecodable(text: bytes, encoding: str) -> int:
    """Return the index of the first byte that is not text in an encoding; the length if there is none."""
    try:
        text.decode(encoding)
    except UnicodeDecodeError as error:
        return error.start
    return len(text)


def _is_damaged_utf8(text: bytes) -> bool:
    """Whether most of what is beyond ASCII is valid UTF-8, which is rare in text of another encoding."""
    decoded = text.decode("utf-8", "surrogateescape")
    invalid = len(UNDECODED.findall(decoded))
    return 0 < invalid <= sum(not c.isascii() for c in decoded) - invalid


def _is_of_letters(text: str) -> bool:
    """Whether most characters beyond ASCII are letters: in the wrong encoding, many are marks and symbols."""
    categories = [unicodedata.category(c) for c in text if not c.isascii()]
    return sum(kind.startswith("L") for kind in categories) * 2 > len(categories)
