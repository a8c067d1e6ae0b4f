"""`advertisex ledger`: the counts of every partition, and whether they balance."""

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    StoreOption,
    opened_store,
    settings_of,
)
from advertisex.cli.output import print_ledger


def ledger(
    data: DataOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the counts of every partition: read = stored + duplicate + filtered + rejected + erased."""
    settings = settings_of(config, data=data, store=store)
    with opened_store(settings, read_only=True) as event_store:
        rows = event_store.ledger()
    print_ledger(rows, as_json=as_json)
