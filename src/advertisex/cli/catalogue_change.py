"""Imports the configured catalogue for a command, and prints what an import changes."""

from collections.abc import Iterator, Sequence
from typing import Any

from advertisex.catalogue.campaign_change import CampaignChange
from advertisex.catalogue.change import CatalogueChange
from advertisex.catalogue.files import CatalogueFiles
from advertisex.catalogue.imports import CatalogueImport
from advertisex.catalogue.watched import WatchedCatalogue, log_import
from advertisex.cli.output import err, plain, say
from advertisex.stores.contract import EventStore

#: Names in one line; `--json` has all of them.
_MOST_NAMES = 10
_LABELS = {"advertiser": "with another advertiser"}


def import_catalogue(files: CatalogueFiles, store: EventStore, *, follow: bool) -> WatchedCatalogue | None:
    """Import the configured catalogue, if there is one and it has changed, and report what that changes."""
    if not files.paths:
        return None
    watched = WatchedCatalogue(files, store)
    if follow:
        log_import(watched.first)
    else:
        report_import(watched.first, files)
    return watched


def report_import(found: CatalogueImport, files: CatalogueFiles) -> None:
    """Report on stderr an import that a command made before its own work; nothing if there was nothing to import."""
    if found.imported_at is None:
        return
    text = f"imported the catalogue {files}: {_counts_text(found.change)}"
    if not found.campaign_change.identical:
        text += f"; flights: {_counts_text(found.campaign_change)}"
    err.print(plain(text), soft_wrap=True)
    if found.change.rewritten:
        err.print(plain(_warning(found.change)), soft_wrap=True)


def print_change(change: CatalogueChange, campaign_change: CampaignChange) -> None:
    """Print the numbers of creatives and flights, the campaigns, and a warning if answers about the past change."""
    if campaign_change.identical or not change.identical:
        say(f"Creatives: {_counts_text(change)}.")
    if change.campaigns:
        say(f"Campaigns concerned: {_names(change.campaigns)}.")
    if not campaign_change.identical:
        say(f"Flights: {_counts_text(campaign_change)}.")
        say(f"Campaigns with other flights: {_names(campaign_change.campaigns)}.")
    if change.rewritten:
        say(_warning(change))


def flight_documents(change: CampaignChange) -> Iterator[dict[str, Any]]:
    """The changes of flights as JSON objects."""
    return (row | {"start": f"{row['start'].isoformat()}Z"} for row in change.rows.iter_rows(named=True))


def _warning(change: CatalogueChange) -> str:
    creatives = change.rows.filter("rewrites")["creative_id"].n_unique()
    return (
        f"warning: this rewrites the past of {_names(change.rewritten)}: {creatives:,} "
        f"{'creatives change' if creatives > 1 else 'creative changes'} campaign for events that already have one; "
        "to change it from a date on, keep the old row and add one with valid_from"
    )


def _counts_text(change: CatalogueChange | CampaignChange) -> str:
    return ", ".join(f"{number:,} {_LABELS.get(name, name)}" for name, number in change.counts.items())


def _names(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")
