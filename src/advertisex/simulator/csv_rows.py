"""Clicks and conversions as rows of a CSV file."""

import csv
import io

from advertisex.simulator.formats import Fields
from advertisex.simulator.json_messages import CLICK_COLUMNS, ClicksJson

#: The header line of the file.
HEADER = ",".join(CLICK_COLUMNS).encode() + b"\n"


class ClicksCsv(ClicksJson):
    """The same events as `ClicksJson`, as CSV rows without a line terminator."""

    def encode(self, fields: Fields) -> bytes:
        """A missing or null field is an empty cell."""
        row = io.StringIO()
        csv.writer(row, lineterminator="").writerow(fields.get(name) or "" for name in CLICK_COLUMNS)
        return row.getvalue().encode()

    def mistyped(self, fields: Fields, noise: int) -> bytes:
        return self.encode(fields | {"value": ("ten", "12,50 EUR", "free")[noise % 3]})

    def undecodable(self, fields: Fields, noise: int) -> bytes:
        """A row with more cells than the header."""
        return self.encode(fields) + (b",surplus", b",,x", b",surplus,cells")[noise % 3]
