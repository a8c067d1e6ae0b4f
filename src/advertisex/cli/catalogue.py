"""`advertisex catalogue`: import the catalogue, show it, compare a file with it, and list its imports."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from advertisex.catalogue.campaign_change import CampaignChange, diff_campaigns
from advertisex.catalogue.change import CatalogueChange, diff_catalogues
from advertisex.catalogue.files import CatalogueTables, catalogue_files
from advertisex.catalogue.imports import import_catalogue
from advertisex.cli.catalogue_change import flight_documents, print_change
from advertisex.cli.flights_table import print_flight_changes, print_flights
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_store,
    settings_of,
    store_for_changes,
)
from advertisex.cli.output import print_json, print_json_with_list, say
from advertisex.cli.progress import progress
from advertisex.cli.reading import reading
from advertisex.cli.tables import print_table
from advertisex.errors import StoreMissing
from advertisex.inspection.catalogue import (
    Imports,
    Shown,
    change_document,
    creative_rows,
    import_document,
    imports,
    sizes,
)
from advertisex.inspection.catalogue import catalogue as catalogue_of
from advertisex.limits import Limit
from advertisex.model import CAMPAIGN_COLUMNS, CATALOGUE_COLUMNS
from advertisex.settings.model import Settings

app = typer.Typer(help="Import the catalogue of creatives and campaigns, and show it.", no_args_is_help=True)

MOST_ROWS = Limit(100, "rows", of="a table of the catalogue in the terminal", beyond="counted; JSON has all")
_HEADINGS = {"advertiser": "advertiser changed"}
_NOTHING = "No catalogue has been imported; run `advertisex catalogue import FILE`."

FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE",
        help="CSV files, one of creatives (creative_id,campaign_id and advertiser_id,valid_from if known), one of "
        "campaigns (campaign_id,start,end and what is booked), or both.",
    ),
]


@app.callback()
def catalogue() -> None:
    """Import the catalogue: the campaign and the advertiser of each creative, and what is booked for each campaign.

    Questions join it when they are asked.
    """


@app.command("import")
def import_files(
    files: FilesArgument,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Replace the catalogue of the store by files, and print what that changes; earlier ones are kept as history.

    The creatives stay as they are if no file has them, and so do the campaigns.
    """
    settings = settings_of(config, data=data, log=log, store=store)
    named = catalogue_files(settings, files)
    tables = named.read()
    number = sum(rows.height for rows in tables if rows is not None)
    with store_for_changes(settings) as event_store, progress(f"importing {number:,} rows", None):
        found = import_catalogue(tables.creatives, event_store, tables.campaigns)
    if as_json:
        print_json(import_document(found))
        return
    if found.imported_at is None:
        say("The store has the same catalogue already; nothing was imported.")
        return
    sizes = f"{found.creatives:,} creatives of {found.campaigns:,} campaigns"
    sizes += f", {found.flights:,} flights" if found.flights else ""
    say(f"Imported {named} at {found.imported_at} UTC: {sizes}.")
    print_change(found.change, found.campaign_change)


@app.command("diff")
def compare(
    files: FilesArgument,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what importing files would change, without importing them."""
    settings = settings_of(config, data=data, log=log, store=store)
    tables = catalogue_files(settings, files).read()
    change, campaign_change = _changes(settings, tables)
    if as_json:
        document = change_document(change, campaign_change)
        document["flight_changes"] = list(flight_documents(campaign_change))
        print_json_with_list(document, "changes", creative_rows(change.rows))
        return
    if change.identical and campaign_change.identical:
        say("The store has the same catalogue.")
        return
    if not change.identical:
        shown = change.rows.head(MOST_ROWS)
        columns = ("creative", "change", "valid from", "campaign", "new campaign", "advertiser", "new advertiser")
        body = [(*row[:2], _since(row[2]), *row[3:7]) for row in shown.iter_rows()]
        print_table("Changes", columns, body, whole=columns)
        _print_remaining(change.rows)
    if not campaign_change.identical:
        print_flight_changes(campaign_change.rows.head(MOST_ROWS))
        _print_remaining(campaign_change.rows)
    print_change(change, campaign_change)


def _show(found: Shown) -> None:
    if found.imported_at is None:
        say(found.absent())
        return
    if found.flights:
        print_flights(found.rows.head(MOST_ROWS))
    else:
        shown = [(*row[:3], _since(row[3])) for row in found.rows.head(MOST_ROWS).iter_rows()]
        columns = ("creative", "campaign", "advertiser", "valid from")
        print_table("Catalogue", columns, shown, whole=columns)
    _print_remaining(found.rows)
    say(f"Imported at {found.imported_at} UTC.")


def _show_imports(found: Imports) -> None:
    rows = [
        {"imported": one.imported_at, **sizes(one)}
        | {_HEADINGS.get(name, name): number for name, number in one.change.counts.items()}
        | {"campaigns rewritten": len(one.change.rewritten)}
        | {"flights changed": one.campaign_change.rows.select("campaign_id", "start").n_unique()}
        for one in found.imports
    ]
    if not rows:
        say(_NOTHING)
        return
    columns = list(rows[0])
    print_table("Imports of the catalogue", columns, [list(row.values()) for row in rows], numbers=columns[1:])


app.command("show")(reading(catalogue_of, _show, "catalogue/show"))
app.command("history")(reading(imports, _show_imports, "catalogue/history"))


def _changes(settings: Settings, tables: CatalogueTables) -> tuple[CatalogueChange, CampaignChange]:
    """What importing these tables would change."""
    try:
        with opened_store(settings, read_only=True) as event_store:
            creatives, campaigns = event_store.catalogue(), event_store.campaigns()
    except StoreMissing:  # the first import creates it
        creatives, campaigns = pl.DataFrame(schema=CATALOGUE_COLUMNS), pl.DataFrame(schema=CAMPAIGN_COLUMNS)
    return (
        diff_catalogues(creatives, creatives if tables.creatives is None else tables.creatives),
        diff_campaigns(campaigns, campaigns if tables.campaigns is None else tables.campaigns),
    )


def _print_remaining(rows: pl.DataFrame) -> None:
    if rows.height > MOST_ROWS:
        say(f"… and {rows.height - MOST_ROWS:,} more; --json lists all.")


def _since(time: datetime | None) -> object:
    return "always" if time is None else time
