"""The files of a catalogue: one of creatives, one of campaigns, or one of each, recognised by their headers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from advertisex.catalogue.campaigns_file import campaigns_in
from advertisex.catalogue.creatives_file import creatives_in
from advertisex.catalogue.csv_file import BOTH_FORMS, CsvTable, opened_table
from advertisex.errors import ConfigurationError
from advertisex.settings.model import Settings


class CatalogueTables(NamedTuple):
    """The tables of a catalogue, as far as they are given.

    Attributes:
        creatives: `CATALOGUE_COLUMNS`, ordered by creative and time.
        campaigns: `CAMPAIGN_COLUMNS`, ordered by campaign and start.
    """

    creatives: pl.DataFrame | None = None
    campaigns: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class CatalogueFiles:
    """CSV files of a catalogue, at most one of each kind.

    Attributes:
        paths: the files.
        zone: time zone of the dates of campaigns, and of their times without an offset.
    """

    paths: Sequence[Path] = ()
    zone: str = "UTC"

    def __str__(self) -> str:
        return ", ".join(map(str, self.paths))

    def read(self) -> CatalogueTables:
        """Read all files.

        Raises:
            ConfigurationError: a file is invalid, its header is not that of creatives or campaigns, or two files are of
                the same kind.
        """
        found: dict[str, pl.DataFrame] = {}
        for path in self.paths:
            with opened_table(path) as table:
                kind = _kind_of(table)
                if kind in found:
                    raise ConfigurationError(
                        f"two files of {kind} in one catalogue", where=str(path), hint="write all rows into one file"
                    )
                found[kind] = creatives_in(table) if kind == "creatives" else campaigns_in(table, self.zone)
        return CatalogueTables(**found)


def catalogue_files(settings: Settings, paths: Sequence[Path] | None = None) -> CatalogueFiles:
    """The files that the settings name, or others, read as the settings say."""
    return CatalogueFiles(tuple(settings.catalogue if paths is None else paths))


def _kind_of(table: CsvTable) -> str:
    if "creative_id" in table.columns:
        return "creatives"
    if {"campaign_id", "start"}.issubset(table.columns):
        return "campaigns"
    raise table.error(1, "the file has neither creatives nor campaigns", BOTH_FORMS)
