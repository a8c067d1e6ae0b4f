"""`advertisex anomalies`: values outside their expected range."""

from advertisex.cli.output import out, say
from advertisex.cli.reading import reading
from advertisex.cli.tables import print_table
from advertisex.inspection.anomalies import Anomalies
from advertisex.inspection.anomalies import anomalies as anomalies_of

_COLUMNS = ("bucket", "feed", "campaign", "metric", "value", "expected", "low", "high", "score")


def _show(found: Anomalies) -> None:
    rows = [
        (
            *(row[name] for name in _COLUMNS[:4]),
            *(found.text(row, name) for name in _COLUMNS[4:8]),
            f"{row['score']:.1f}",
        )
        for row in found.rows.iter_rows(named=True)
    ]
    if rows:
        title = f"Anomalies ({len(rows):,} of {found.found:,})"
        print_table(title, _COLUMNS, rows, keys=_COLUMNS[:4], numbers=_COLUMNS[4:])
        out.print()
    elif found.evaluated:
        say("No anomalies were found.")
    for note in found.notes():
        say(note)


anomalies = reading(anomalies_of, _show, "anomalies")
