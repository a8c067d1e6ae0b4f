"""How CSV text is written: what the user says about it, and what is detected otherwise."""

from dataclasses import dataclass

from advertisex.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How CSV text is written; None means that it is detected, or assumed as noted.

    Attributes:
        delimiter: one character between cells.
        quote: the character around quoted cells, or "none": quotes are plain text.
        escape: the character before a quote inside a quoted cell; without it, a quote is doubled.
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
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ConfigurationError(
                f"invalid delimiter {self.delimiter!r}: must be one character, not a quote or a line break",
                hint="for a tab, use --delimiter $'\\t'",
            )
