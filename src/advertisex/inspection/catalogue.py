"""The catalogue: its creatives and flights, its imports, and the ids in events that it does not know."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import polars as pl

from advertisex.analysis.answer import Table
from advertisex.analysis.arguments import MOST_LISTED
from advertisex.analysis.scope import Scope
from advertisex.analysis.unknown import HINT, unknown_ids
from advertisex.catalogue.campaign_change import CampaignChange
from advertisex.catalogue.change import CatalogueChange
from advertisex.catalogue.imports import CatalogueImport, imports_of
from advertisex.errors import ConfigurationError
from advertisex.inspection.place import Place
from advertisex.inspection.reading import Reading, utc
from advertisex.questions.option import Option
from advertisex.questions.time_text import parse_time
from advertisex.reporting.cells import plain_decimal

_NOTHING = "No catalogue has been imported; run `advertisex catalogue import FILE`."


@dataclass(frozen=True, slots=True)
class Shown(Reading):
    """Creatives, or flights of campaigns.

    Attributes:
        rows: `CATALOGUE_COLUMNS`, or `CAMPAIGN_COLUMNS`.
        of: number of rows that there are.
        flights: whether the rows are flights.
        imported_at: when this catalogue was imported; None if there is none.
        as_of: the time that was asked for, if any.
        end: number of rows up to the last one of these.
    """

    rows: pl.DataFrame
    of: int
    flights: bool
    imported_at: datetime | None
    as_of: datetime | None
    end: int

    def head(self) -> dict[str, Any]:
        """The document without its list."""
        return {"imported_at": utc(self.imported_at)}

    def items(self) -> tuple[str, Iterator[dict[str, Any]]]:
        """The name of the list, and its items."""
        return ("flights", flight_rows(self.rows)) if self.flights else ("rows", creative_rows(self.rows))

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        name, items = self.items()
        return self.head() | {name: list(items)}

    def tables(self) -> list[Table]:
        """One row for each creative and time, or for each flight."""
        if self.flights:
            return [Table("flights", "Flights: what is booked", self.rows, of=self.of)]
        return [Table("creatives", "Creatives", self.rows, keys=("creative_id",), of=self.of)]

    def notes(self) -> list[str]:
        """When it was imported."""
        return [self.absent() if self.imported_at is None else f"Imported at {self.imported_at} UTC."]

    def following(self) -> dict[str, str]:
        """The options that give the rows after these, of the same import."""
        if self.imported_at is None or self.rows.is_empty() or self.end >= self.of:
            return {}
        return {"after": str(self.end), "as_of": f"{self.imported_at.isoformat()}Z"}

    def absent(self) -> str:
        """Why nothing is shown."""
        return _NOTHING if self.as_of is None else f"No catalogue had been imported by {self.as_of} UTC."


@dataclass(frozen=True, slots=True)
class Imports(Reading):
    """The imports of the catalogue, the first one first."""

    imports: Sequence[CatalogueImport]

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"imports": [import_document(one) for one in self.imports]}

    def tables(self) -> list[Table]:
        """One row for each import, the latest first."""
        rows = [_import_row(one) for one in reversed(self.imports)]
        return [Table("imports", "Imports", pl.DataFrame(rows, infer_schema_length=None), keys=("imported",))]

    def notes(self) -> list[str]:
        """What to do without one."""
        return [] if self.imports else [_NOTHING]


@dataclass(frozen=True, slots=True)
class UnknownIds(Reading):
    """The ids in events that the catalogue does not know: kind, feed, id, events."""

    found: pl.DataFrame

    def document(self) -> dict[str, Any]:
        """What the API gives."""
        return {"unknown": list(self.found.iter_rows(named=True))}

    def tables(self) -> list[Table]:
        """One row for each id, those of most events first."""
        return [Table("unknown", "Unknown ids", self.found, keys=("kind", "feed", "id"))]

    def notes(self) -> list[str]:
        """What adds them."""
        if self.found.is_empty():
            return ["The catalogue knows every creative and campaign of the stored events."]
        return [f"The events of unknown creatives have no campaign; {HINT}."]


def catalogue(
    place: Place,
    as_of: Annotated[
        str | None, Option(metavar="TIME", help="The catalogue as it was at this time (UTC).", is_filter=True)
    ] = None,
    creative: Annotated[str | None, Option(metavar="ID", help="Only this creative.", is_filter=True)] = None,
    campaign: Annotated[str | None, Option(metavar="ID", help="Only this campaign.", is_filter=True)] = None,
    flights: Annotated[bool, Option(help="The flights of campaigns instead: what is booked.")] = False,
    limit: Annotated[
        int | None, Option(metavar="N", minimum=0, maximum=MOST_LISTED, help="Maximum number of rows.", default="all")
    ] = None,
    after: Annotated[
        int, Option(metavar="N", minimum=0, maximum=MOST_LISTED, help="Leave out so many rows from the beginning.")
    ] = 0,
) -> Shown:
    """Show the catalogue: the campaign and the advertiser of each creative, and since when; or flights of campaigns."""
    if flights and creative is not None:
        raise ConfigurationError("--creative does not apply to --flights", hint="choose flights with --campaign ID")
    time = parse_time(as_of, "--as-of")
    with place.store() as store:
        rows = store.campaigns(time) if flights else store.catalogue(time)
        imports = [one for one in store.catalogue_imports() if time is None or one <= time]
    for name, wanted in (("creative_id", creative), ("campaign_id", campaign)):
        rows = rows if wanted is None else rows.filter(pl.col(name) == wanted)
    imported_at = imports[-1] if imports else None
    part = rows.slice(after, limit)
    return Shown(part, rows.height, flights, imported_at, time, after + part.height)


def imports(place: Place) -> Imports:
    """List the imports of the catalogue, and what each changed."""
    with place.store() as store:
        return Imports(list(imports_of(store)))


def unknown(place: Place) -> UnknownIds:
    """The creatives and campaigns of stored events that the catalogue does not know."""
    with place.store() as store:
        return UnknownIds(unknown_ids(store, Scope().settled(store)))


def creative_rows(rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Creatives, or changes of creatives, as JSON objects."""
    return (row | {"valid_from": utc(row["valid_from"])} for row in rows.iter_rows(named=True))


def flight_rows(flights: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Flights as JSON objects."""
    for row in flights.iter_rows(named=True):
        times = {name: utc(row[name]) for name in ("start", "end")}
        yield row | times | {name: _short(row[name]) for name in ("budget", "rate")}


def import_document(found: CatalogueImport) -> dict[str, Any]:
    """An import as a JSON object."""
    change = change_document(found.change, found.campaign_change)
    return {"imported_at": utc(found.imported_at), **sizes(found), **change}


def change_document(change: CatalogueChange, campaign_change: CampaignChange) -> dict[str, Any]:
    """A change of the catalogue as a JSON object."""
    return {
        "identical": change.identical and campaign_change.identical,
        **change.counts,
        "campaigns_concerned": change.campaigns,
        "campaigns_rewritten": change.rewritten,
        **{f"flights_{name}": number for name, number in campaign_change.counts.items()},
        "campaigns_with_other_flights": campaign_change.campaigns,
    }


def sizes(found: CatalogueImport) -> dict[str, int]:
    """The size of the catalogue after an import."""
    return {"creatives": found.creatives, "campaigns": found.campaigns, "flights": found.flights}


def _import_row(one: CatalogueImport) -> dict[str, Any]:
    return {
        "imported": one.imported_at,
        **sizes(one),
        **{f"creatives_{name}": number for name, number in one.change.counts.items()},
        "campaigns_rewritten": len(one.change.rewritten),
        "flights_changed": one.campaign_change.rows.select("campaign_id", "start").n_unique(),
    }


def _short(amount: Decimal | None) -> Decimal | None:
    """The same amount without trailing zeros."""
    return None if amount is None else Decimal(plain_decimal(amount))
