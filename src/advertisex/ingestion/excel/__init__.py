"""Excel workbooks, read as CSV rows."""
