"""Writes a simulation to files: the messages of the three feeds, the catalogue, the settings and the truth."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from fastavro.write import Writer

from advertisex.errors import ConfigurationError, SourceError
from advertisex.feeds.bids import AVRO_SCHEMA
from advertisex.files.faults import fault_of
from advertisex.files.making import writing
from advertisex.model import CAMPAIGN_COLUMNS
from advertisex.simulator.bookings import bookings
from advertisex.simulator.csv_rows import HEADER
from advertisex.simulator.market import BLOCKED_SITES, BLOCKED_USERS, draw_market
from advertisex.simulator.settings import SimulationSettings
from advertisex.simulator.simulation import Simulation
from advertisex.simulator.truth import Truth

#: Called after each chunk with the number of messages written so far.
Progress = Callable[[int], None]

#: File of each feed.
FILE_NAMES = {"impressions": "impressions.ndjson", "clicks": "clicks.csv", "bids": "bids.avro"}
CATALOGUE_FILE, CAMPAIGNS_FILE = "catalogue.csv", "campaigns.csv"
SETTINGS_FILE = "advertisex.toml"
TRUTH_FILE = "truth.json"
#: The files that accompany the messages, wherever those go; the truth is written last.
_CONTEXT_FILES = (SETTINGS_FILE, CATALOGUE_FILE, CAMPAIGNS_FILE, TRUTH_FILE)
_BLOCK_RECORDS = 4_000
_CATALOGUE_HEADER = ("creative_id", "campaign_id", "advertiser_id")


def write_files(folder: Path, settings: SimulationSettings, on_progress: Progress | None = None) -> Truth:
    """Write the feeds' files, the context and `truth.json` into a folder, which is created if missing.

    Raises:
        ConfigurationError: a file that the simulator did not write would be overwritten.
        SourceError: a file cannot be written.
    """
    simulation = Simulation(settings, "files")
    sync = hashlib.sha256(f"advertisex {settings.seed}".encode()).digest()[:16]
    try:
        _check_overwrite(folder, (*_CONTEXT_FILES, *FILE_NAMES.values()))
        write_context(folder, settings)
        with (
            writing(folder / FILE_NAMES["impressions"]) as impressions,
            writing(folder / FILE_NAMES["clicks"]) as clicks,
            writing(folder / FILE_NAMES["bids"]) as bids,
        ):
            container = Writer(bids, AVRO_SCHEMA, codec="deflate", sync_marker=sync, compression_level=1)
            clicks.write(HEADER)
            for chunk in simulation.chunks():
                impressions.write(_lines(chunk.messages["impressions"]))
                clicks.write(_lines(chunk.messages["clicks"]))
                _write_datums(container, chunk.messages["bids"])
                if on_progress:
                    on_progress(simulation.messages)
        truth = simulation.truth()
    except OSError as error:
        raise _write_error(folder, error) from error
    write_truth(folder, truth)
    return truth


def write_truth(folder: Path, truth: Truth) -> None:
    """Write `truth.json`, when everything else is written.

    Raises:
        SourceError: the file cannot be written.
    """
    try:
        with writing(folder / TRUTH_FILE) as file:
            file.write(truth.to_json().encode())
    except OSError as error:
        raise _write_error(folder, error) from error


def write_context(folder: Path, settings: SimulationSettings) -> None:
    """Write the files that accompany the messages: the two of the catalogue, and `advertisex.toml` with the policy.

    `catalogue.csv` depends on the seed only; what is booked in `campaigns.csv` on the number of events, too, and on
    when they happen.

    Raises:
        ConfigurationError: a file that the simulator did not write would be overwritten.
        SourceError: a file cannot be written.
    """
    market = draw_market(settings.seed, users=1)
    try:
        _check_overwrite(folder, _CONTEXT_FILES)
        folder.mkdir(parents=True, exist_ok=True)
        # settings first: they mark the other files as ours, even if the disk fills up before those are complete
        with writing(folder / SETTINGS_FILE) as file:
            file.write(settings_text().encode())
        _write_csv(folder / CATALOGUE_FILE, [_CATALOGUE_HEADER, *market.catalogue_rows])
        _write_csv(folder / CAMPAIGNS_FILE, [CAMPAIGN_COLUMNS, *bookings(market, settings)])
    except OSError as error:
        raise _write_error(folder, error) from error


def _write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with writing(path) as file:
        file.write(text.getvalue().encode())


def settings_text() -> str:
    """The settings file that accompanies the traffic, as TOML."""
    # a JSON array of plain strings is also a valid TOML array
    return (
        f"catalogue = {json.dumps([CATALOGUE_FILE, CAMPAIGNS_FILE])}\n\n[policy]\n"
        f"blocked_users = {json.dumps(BLOCKED_USERS)}\nblocked_sites = {json.dumps(BLOCKED_SITES)}\n"
    )


def _check_overwrite(folder: Path, names: Iterable[str]) -> None:
    """Raise if one of the files exists and the folder's settings are not those of a simulation."""
    own = folder / SETTINGS_FILE
    if own.exists() and own.read_text(encoding="utf-8", errors="replace") == settings_text():
        return
    for name in names:
        if (folder / name).exists():
            raise ConfigurationError(
                "the simulation would overwrite a file that it did not write",
                where=str(folder / name),
                hint="choose an empty folder with --data or --out",
            )


class _Block(NamedTuple):
    """What `Writer.write_block` reads of a block."""

    num_records: int
    bytes_: io.BytesIO


def _write_datums(container: Writer, datums: Sequence[bytes]) -> None:
    for start in range(0, len(datums), _BLOCK_RECORDS):
        block = datums[start : start + _BLOCK_RECORDS]
        container.write_block(_Block(len(block), io.BytesIO(b"".join(block))))


def _lines(messages: Iterable[bytes]) -> bytes:
    return b"".join(message + b"\n" for message in messages)


def _write_error(folder: Path, error: OSError) -> SourceError:
    where = Path(error.filename or folder)
    what, hint = fault_of(error, where)
    if isinstance(error, FileExistsError | NotADirectoryError):
        hint = "it is a file; choose a folder with --data or --out"
    return SourceError(f"could not write the simulation: {what}", where=str(where), hint=hint)
