"""`advertisex catalogue`: import the catalogue, show it, compare a file with it, and list its imports."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from advertisex.catalogue.campaign_change import CampaignChange, diff_campaigns
from advertisex.catalogue.change import CatalogueChange, diff_catalogues
from advertisex.catalogue.files import CatalogueTables, catalogue_files
from advertisex.catalogue.imports import CatalogueImport, import_catalogue, imports_of
from advertisex.cli.catalogue_change import change_document, flight_documents, print_change
from advertisex.cli.flights_table import flight_rows, print_flight_changes, print_flights
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
from advertisex.cli.output import print_json, print_json_with_list, say
from advertisex.cli.progress import progress
from advertisex.cli.tables import print_table
from advertisex.errors import ConfigurationError, StoreMissing
from advertisex.limits import Limit
from advertisex.model import CAMPAIGN_COLUMNS, CATALOGUE_COLUMNS
from advertisex.questions.time_text import parse_time
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
    with opened_store(settings, read_only=False) as event_store, progress(f"importing {number:,} rows", None):
        found = import_catalogue(tables.creatives, event_store, tables.campaigns)
    if as_json:
        print_json(_import_document(found))
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
        print_json_with_list(document, "changes", _documents(change.rows))
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


@app.command()
def show(
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="The catalogue as it was at this time (UTC).")
    ] = None,
    creative: Annotated[str | None, typer.Option(metavar="ID", help="Only this creative.")] = None,
    campaign: Annotated[str | None, typer.Option(metavar="ID", help="Only this campaign.")] = None,
    flights: Annotated[
        bool, typer.Option("--flights", help="The flights of campaigns instead: what is booked.")
    ] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the catalogue: the campaign and the advertiser of each creative, and since when; or flights of campaigns."""
    if flights and creative is not None:
        raise ConfigurationError("--creative does not apply to --flights", hint="choose flights with --campaign ID")
    settings = settings_of(config, data=data, log=log, store=store)
    time = parse_time(as_of, "--as-of")
    with opened_store(settings, read_only=True) as event_store:
        rows = event_store.campaigns(time) if flights else event_store.catalogue(time)
        imports = [one for one in event_store.catalogue_imports() if time is None or one <= time]
    for name, wanted in (("creative_id", creative), ("campaign_id", campaign)):
        rows = rows if wanted is None else rows.filter(pl.col(name) == wanted)
    imported_at = imports[-1] if imports else None
    if as_json:
        name, documents = ("flights", flight_rows(rows)) if flights else ("rows", _documents(rows))
        print_json_with_list({"imported_at": _iso(imported_at)}, name, documents)
        return
    if imported_at is None:
        say(_NOTHING if time is None else f"No catalogue had been imported by {time} UTC.")
        return
    if flights:
        print_flights(rows.head(MOST_ROWS))
    else:
        shown = [(*row[:3], _since(row[3])) for row in rows.head(MOST_ROWS).iter_rows()]
        columns = ("creative", "campaign", "advertiser", "valid from")
        print_table("Catalogue", columns, shown, whole=columns)
    _print_remaining(rows)
    say(f"Imported at {imported_at} UTC.")


@app.command()
def history(
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the imports of the catalogue, and what each changed."""
    settings = settings_of(config, data=data, log=log, store=store)
    with opened_store(settings, read_only=True) as event_store:
        if as_json:
            print_json({"imports": [_import_document(one) for one in imports_of(event_store)]})
            return
        rows = [
            {"imported": one.imported_at, **_sizes(one)}
            | {_HEADINGS.get(name, name): number for name, number in one.change.counts.items()}
            | {"campaigns rewritten": len(one.change.rewritten)}
            | {"flights changed": one.campaign_change.rows.select("campaign_id", "start").n_unique()}
            for one in imports_of(event_store)
        ]
    if not rows:
        say(_NOTHING)
        return
    columns = list(rows[0])
    print_table("Imports of the catalogue", columns, [list(row.values()) for row in rows], numbers=columns[1:])


def _import_document(found: CatalogueImport) -> dict[str, Any]:
    change = change_document(found.change, found.campaign_change)
    return {"imported_at": _iso(found.imported_at), **_sizes(found), **change}


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


def _sizes(found: CatalogueImport) -> dict[str, int]:
    return {"creatives": found.creatives, "campaigns": found.campaigns, "flights": found.flights}


def _since(time: datetime | None) -> object:
    return "always" if time is None else time


def _iso(time: datetime | None) -> str | None:
    return None if time is None else f"{time.isoformat()}Z"


def _documents(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    return (row | {"valid_from": _iso(row["valid_from"])} for row in rows.iter_rows(named=True))
