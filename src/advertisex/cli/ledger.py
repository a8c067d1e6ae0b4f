"""`advertisex ledger`: the counts of every partition, and whether they balance."""

from datetime import datetime

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    StoreOption,
    opened_store,
    settings_of,
)
from advertisex.cli.output import ledger_dict, out, plain, print_json, print_ledger
from advertisex.logs.lost import lost_before
from advertisex.logs.open import is_embedded
from advertisex.stores.retention import removed_before


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
        rows, kept_since = event_store.ledger(), removed_before(event_store)
    lost = [lost_before(row) if is_embedded(settings.log_url) else None for row in rows]
    if as_json:
        document = ledger_dict(rows)
        document["rows"] = [row | {"lost": count} for row, count in zip(document["rows"], lost, strict=True)]
        print_json(document | {"kept_since": _json(kept_since)})
        return
    print_ledger(rows)
    for row, count in zip(rows, lost, strict=True):
        if count:
            of = f"{row.topic}/{row.partition}"
            text = f"Lost: {count:,} messages of {of}: they were removed from the log before they were read."
            out.print(plain(text), soft_wrap=True)
    if kept_since is not None:
        out.print(f"Events before {kept_since:%Y-%m-%d} (UTC) are not kept: see `advertisex doctor`.")


def _json(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat() + "Z"
