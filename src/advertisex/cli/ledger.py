"""`advertisex ledger`: the counts of every partition, and whether they balance."""

from datetime import datetime

from advertisex.cli.ledger_table import print_ledger
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_store,
    settings_of,
)
from advertisex.cli.output import print_json, say
from advertisex.reporting.ledger_document import ledger_dict
from advertisex.stores.retention import removed_before


def ledger(
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the counts of every partition: read = stored + duplicate + filtered + rejected + erased."""
    settings = settings_of(config, data=data, log=log, store=store)
    with opened_store(settings, read_only=True) as event_store:
        rows, kept_since = event_store.ledger(), removed_before(event_store)
    if as_json:
        print_json(ledger_dict(rows) | {"kept_since": _json(kept_since)})
        return
    print_ledger(rows)
    if kept_since is not None:
        say(f"Events before {kept_since:%Y-%m-%d} (UTC) are not kept: see `advertisex doctor`.")


def _json(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat() + "Z"
