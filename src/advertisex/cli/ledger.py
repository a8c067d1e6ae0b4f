"""`advertisex ledger`: the counts of every partition, and whether they balance."""

from advertisex.cli.ledger_table import print_ledger
from advertisex.cli.output import say
from advertisex.cli.reading import reading
from advertisex.inspection.ledger import Ledger
from advertisex.inspection.ledger import ledger as ledger_of


def _show(found: Ledger) -> None:
    print_ledger(found.rows)
    if found.kept_since is not None:
        say(f"Events before {found.kept_since:%Y-%m-%d} (UTC) are not kept: see `advertisex doctor`.")


ledger = reading(ledger_of, _show, "ledger")
