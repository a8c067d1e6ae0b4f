"""How CSV text is written: what the user says about it, and what is detected otherwise."""

from dataclasses import dataclass

from advertisex.errors import ConfigurationError
from advertisex.ingestion.encodings import checked_encoding
from advertisex.ingestion.numbers import NumberStyle


@dataclass(frozen=True, slots=True)
class CsvDialect:
    r"""How CSV text is written; None means that it is detected, or assumed as noted.

    Attributes:
        delimiter: one character between cells.
        quote: the character around quoted cells, or "none": quotes are plain text.
        escape: the character before a quote inside a quoted cell; without it, a quote is doubled. It also precedes
            itself, a delimiter and a line end; before any other character it is plain text, as in `\N`.
        encoding: name of the encoding of the text.
        decimal: the decimal mark of numbers, `.` or `,`.
        thousands: the separator of groups of three digits.
        skip: number of lines before the header.
        multiline: whether quoted cells may hold whole lines that look like rows.
    """

    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    skip: int | None = None
    multiline: bool = False

    def check(self) -> None:
        """Validate the dialect.

        Raises:
            ConfigurationError: a part of it is invalid.
        """
        quote = None if self.quote == "none" else self.quote
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ConfigurationError(
                f"invalid delimiter {self.delimiter!r}: must be one character, not a quote or a line break",
                where="--delimiter",
                hint="for a tab, use --delimiter $'\\t'",
            )
        for name, value in (("quote", quote), ("escape", self.escape)):
            if value is not None and (len(value) != 1 or value.isalnum() or value.isspace()):
                raise ConfigurationError(
                    f"invalid {name} {value!r}: must be one character, not a letter, a digit or white space",
                    where=f"--{name}",
                    hint="for text without quotes, use --quote none" if name == "quote" else "use --escape '\\'",
                )
        given = [value for value in (self.delimiter, quote, self.escape) if value is not None]
        if len(set(given)) < len(given):
            raise ConfigurationError(
                "delimiter, quote and escape must be different characters",
                where="--delimiter, --quote, --escape",
                hint="leave out --escape if quotes are doubled inside quoted cells",
            )
        if self.encoding is not None:
            checked_encoding(self.encoding)
        if self.skip is not None and self.skip < 0:
            raise ConfigurationError(
                f"skip must be at least 0, got {self.skip}", where="--skip", hint="it is a number of lines"
            )
        self.numbers()

    def numbers(self) -> NumberStyle | None:
        """Return how numbers are written; None if the dialect does not say.

        Raises:
            ConfigurationError: the decimal mark or the separator of thousands is invalid.
        """
        if self.decimal is None and self.thousands is None:
            return None
        return NumberStyle.of(self.decimal, self.thousands)
