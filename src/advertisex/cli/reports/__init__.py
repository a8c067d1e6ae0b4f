"""`advertisex report`: saved reports."""

from advertisex.cli.reports.reporting import report as report
