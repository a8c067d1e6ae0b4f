"""`advertisex simulate`: generate realistic traffic with known faults, as files or into the log."""

import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_log,
    settings_of,
)
from advertisex.cli.output import print_json, say
from advertisex.cli.progress import progress
from advertisex.cli.tables import print_table
from advertisex.errors import ConfigurationError
from advertisex.files.durable import make_folder
from advertisex.settings.feeds import configured_feeds
from advertisex.simulator import (
    SimulationSettings,
    SystemClock,
    Truth,
    play,
    publish_simulation,
    write_context,
    write_files,
    write_truth,
)

_RATE = re.compile(r"(\d+(?:\.\d+)?)(/s)?")


def simulate(
    events: Annotated[int, typer.Option(min=1, help="Number of messages, over all feeds.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same traffic.")] = 1,
    out_folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write files to this folder instead of the log.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Generate in real time, until interrupted.")] = False,
    rate: Annotated[str, typer.Option(metavar="N/s", help="Messages per second, with --follow.")] = "100/s",
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Generate seeded traffic of all three feeds with known fault rates, and report exactly what was generated.

    Also writes the catalogue, the settings (blocked users and sites) and truth.json.
    """
    match = _RATE.fullmatch(rate)
    if match is None or float(match[1]) <= 0:
        raise ConfigurationError(f"--rate: {rate!r} is not a valid rate", hint="write it as 500/s")
    if follow and out_folder:
        raise ConfigurationError("--follow writes to the log, not to files", hint="omit --out or --follow")
    simulation = SimulationSettings(events=events, seed=seed)
    with progress("simulating", None if follow else events) as bar:
        if out_folder:
            truth, folder = write_files(out_folder, simulation, bar.reach), out_folder
        else:
            settings = settings_of(config, data=data, log=log, store=store)
            folder = settings.data
            with suppress(OSError):  # reported by the next line
                make_folder(folder)
            write_context(folder, replace(simulation, start=datetime.now(UTC)) if follow else simulation)
            feeds = configured_feeds(settings)
            with opened_log(settings) as event_log:
                if follow:
                    truth = play(event_log, simulation, float(match[1]), SystemClock(), bar.reach, feeds)
                else:
                    truth = publish_simulation(event_log, simulation, bar.reach, feeds)
            write_truth(folder, truth)
    print_json(truth.to_dict()) if as_json else _print(truth, folder)


def _print(truth: Truth, folder: Path) -> None:
    rows = [
        (
            name,
            feed.read,
            feed.stored,
            feed.duplicate,
            sum(feed.filtered.values()),
            sum(feed.rejected.values()),
        )
        for name, feed in truth.feeds.items()
    ]
    columns = ("feed", "messages", "valid", "duplicate", "filtered", "rejected")
    print_table("Generated", columns, rows, numbers=columns[1:])
    say(f"All expected counts are in {folder / 'truth.json'}")
