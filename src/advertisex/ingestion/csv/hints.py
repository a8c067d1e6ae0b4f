"""What is wrong with a row that cannot be read, and what the user can do."""

from advertisex.codecs.unreadable import Unreadable
from advertisex.ingestion.csv.row_parser import RowParser


def text_after_quote(fault: str, line: str, body: bytes, parser: RowParser) -> Unreadable:
    """A row with text after a closing quote, or with an escape character that can be read in two ways."""
    hint = _escape_hint(line, parser) or "use --quote none if quotes are plain text"
    return Unreadable("ambiguous_quotes", f"{fault}; hint: {hint}", body)


def open_quote(kind: str, line: str, body: bytes, parser: RowParser) -> Unreadable:
    """A row whose line ends inside a quoted cell."""
    fault, hint = "a quote is not closed", "use --quote none if quotes are plain text"
    if parser.quote is None:
        fault, hint = "an escape character ends the line", "leave out --escape if it is plain text"
    if kind == "ambiguous":
        fault += " in its line, and the lines that follow can be rows"
        hint = f"use --multiline if cells hold line ends; {hint}"
    return Unreadable("ambiguous_quotes", f"{fault}; hint: {_escape_hint(line, parser) or hint}", body)


def surplus_cells(fault: str, body: bytes) -> Unreadable:
    """A row with more values than columns."""
    return Unreadable("surplus_cells", f"{fault}; hint: quote values that contain the delimiter", body)


def wrong_encoding(encoding: str, likely: str | None, body: bytes) -> Unreadable:
    """A row whose bytes are not text."""
    hint = f"use --encoding {likely} if that is its encoding" if likely else "name its encoding with --encoding"
    return Unreadable("wrong_encoding", f"not text in {encoding}; hint: {hint}", body)


def _escape_hint(line: str, parser: RowParser) -> str | None:
    if parser.escape is None and parser.quote is not None and f"\\{parser.quote}" in line:
        return "use --escape '\\' if a backslash precedes a quote that is part of the text"
    return None
