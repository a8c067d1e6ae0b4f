"""`advertisex demo`: the whole pipeline on simulated data, checked against the known truth."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from advertisex.cli.analyze import print_correlation, print_summary
from advertisex.cli.ledger_table import print_ledger
from advertisex.cli.options import SHARED, DebugOption, JsonOption, LogOption, StoreOption, opened_log, opened_store
from advertisex.cli.output import err, out, print_json, say
from advertisex.cli.progress import progress
from advertisex.cli.tables import print_table
from advertisex.demo import Demonstration, OnProgress, OnStep, demonstrate, simulate_files
from advertisex.errors import ConfigurationError, LogMissing, StoreBusy, StoreError, StoreMissing, StoreOutdated
from advertisex.feeds import FEEDS
from advertisex.files.durable import make_folder
from advertisex.files.faults import fault_of
from advertisex.logs.open import open_log
from advertisex.processing.configured import processing_of
from advertisex.reporting.ledger_document import ledger_dict
from advertisex.settings.load import load_settings
from advertisex.simulator import SimulationSettings
from advertisex.stores.open import open_store

#: Parts of the truth with too many numbers to list, and what they are keyed by.
_MANY = {"value": "currencies", "gross_value": "currencies", "bid_value_won": "currencies", "by_campaign": "campaigns"}
#: Marks a folder that the demo made, and may delete.
_MARK = "made-by-advertisex-demo.txt"
_RIGHT, _WRONG = Text("✓", style="green"), Text("✗", style="red bold")


def demo(
    events: Annotated[int, typer.Option(min=1_000, help="Number of messages to simulate.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same traffic.")] = 1,
    data: Annotated[
        Path,
        typer.Option(
            "--data", metavar="DIR", help="Folder of the demo's sources, log and store.", rich_help_panel=SHARED
        ),
    ] = Path("demo-data"),
    log: LogOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run the whole pipeline on simulated data, and check the result against the known truth.

    The data folder is kept, and replaced by the next demo.
    """
    began = time.monotonic()
    simulation = SimulationSettings(events=events, seed=seed)
    is_embedded = not (log or store)
    flags = {"data": data, "log": log, "store": store} | ({} if is_embedded else _isolated())
    _check_servers(log, store)
    _make_folder(data)
    shown = _demonstrate(data, flags, simulation, quiet=as_json)
    if as_json:
        print_json(_document(shown))
    else:
        _print(shown, time.monotonic() - began)
        if is_embedded:
            _print_next(data)
    if not shown.ok:
        raise typer.Exit(1)


def _check_servers(log: str | None, store: str | None) -> None:
    """Check that a given log and store can be opened, before the folder of an earlier demo is replaced."""
    if log is not None:
        with suppress(LogMissing):
            open_log(log, create=False).close()
    if store is not None:
        with suppress(StoreMissing, StoreOutdated):  # the demo has a store of its own there
            open_store(store, read_only=True).close()


def _make_folder(data: Path) -> None:
    """Make the data folder, in place of that of an earlier demo.

    Raises:
        ConfigurationError: it holds something else, or cannot be made.
    """
    try:
        if data.exists() and (not data.is_dir() or any(data.iterdir())):
            if not (data / _MARK).is_file():
                raise ConfigurationError(
                    "the demo needs a new or empty folder, or that of an earlier demo",
                    where=str(data),
                    hint="choose another one with --data",
                )
            _check_unused(data / "store.duckdb")
            _empty(data)
        make_folder(data)
        (data / _MARK).write_text("`advertisex demo` made this folder, and the next one replaces it.\n", "utf-8")
    except OSError as error:
        what, hint = fault_of(error, data)
        raise ConfigurationError(f"cannot make the folder: {what}", where=str(data), hint=hint) from error


def _check_unused(store: Path) -> None:
    """Raise StoreBusy if another process uses the store of an earlier demo."""
    try:
        if store.exists():
            open_store(f"duckdb:///{store}", read_only=False).close()
    except StoreBusy:
        raise
    except StoreError:
        return  # it is replaced, whatever it is


def _empty(data: Path) -> None:
    """Remove what a demo makes, and nothing else."""
    for path in data.iterdir():
        if path.name == "sources":
            shutil.rmtree(path)
        elif path.name.startswith(("log.db", "store.duckdb", _MARK)):
            path.unlink()


def _demonstrate(folder: Path, flags: dict[str, Any], simulation: SimulationSettings, *, quiet: bool) -> Demonstration:
    with progress("simulate", simulation.events) as bar:

        def step(name: str, total: int | None) -> None:
            if not quiet:
                err.print(f"  {name}", markup=False, style="dim")
            bar.begin(name.partition(" ")[0].rstrip(":"), total)

        return _run(folder, flags, simulation, step, bar.reach)


def _run(
    folder: Path, flags: dict[str, Any], simulation: SimulationSettings, step: OnStep, on_progress: OnProgress
) -> Demonstration:
    step(f"simulate {simulation.events:,} messages of three feeds, with faults", simulation.events)
    sources = folder / "sources"
    truth = simulate_files(sources, simulation, on_progress)
    # the user's environment variables are for the user's own data
    settings = load_settings(sources / "advertisex.toml", flags, environment=False)
    with opened_log(settings) as log, opened_store(settings, read_only=False) as store:
        return demonstrate(sources, truth, log, store, processing_of(settings), step, on_progress)


def _isolated() -> dict[str, Any]:
    """Topics, group and indices unique to this run, so that it cannot collide with other data on a shared cluster."""
    name = f"advertisex-demo-{time.time_ns() // 1_000_000}"
    return {
        "feeds": {feed.name: {"topic": f"{name}-{feed.topic}"} for feed in FEEDS.values()},
        "kafka": {"group": name},
        "elasticsearch": {"prefix": f"{name}-"},
    }


def _document(shown: Demonstration) -> dict[str, Any]:
    return {
        "truth": shown.truth,
        "found": shown.found,
        "ledger": ledger_dict(shown.ledger),
        "analysis": {"summary": shown.summary.to_dict(), "correlation": shown.correlation.to_dict()},
        "ok": shown.ok,
    }


def _print(shown: Demonstration, took: float) -> None:
    columns = ("kind", "expected", "found", "")
    for title, truth, found in _sections(shown):
        print_table(title, columns, list(_lines(truth, found)), numbers=columns[1:3])
        out.print()
    print_ledger(shown.ledger)
    out.print()
    print_summary(shown.summary)
    out.print()
    print_correlation(shown.correlation)
    out.print()
    if shown.ok:
        say(Text.assemble(("OK", "green bold"), f": every number matches the truth (finished in {took:.1f} s)."))
    else:
        say(Text.assemble(("NOT OK", "red bold"), ": the lines marked ✗ differ. Please report this with the seed."))


def _print_next(data: Path) -> None:
    """Print commands to try on the result, with the program as it was called."""
    program = sys.argv[0] if os.sep in sys.argv[0] and not shutil.which("advertisex") else "advertisex"
    say("Try:")
    for command in ("rejects list", "analyze funnel --by campaign_id", "serve"):
        out.print(f"  {program} {command} --data {shlex.quote(str(data))}", markup=False, soft_wrap=True)


def _sections(shown: Demonstration) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield title, truth and result of each feed, then of the analysis."""
    for feed, truth in shown.truth["feeds"].items():
        yield feed, truth, shown.found["feeds"][feed]
    yield "analysis", shown.truth["analysis"], shown.found["analysis"]


def _lines(truth: dict[str, Any], found: dict[str, Any], prefix: str = "") -> Iterator[tuple[object, ...]]:
    """Yield one line per number, marked as equal or different."""
    for name in truth | found:
        expected, actual = truth.get(name), found.get(name)
        if name in _MANY:
            yield from _many(name, expected or {}, actual or {})
        elif isinstance(expected, dict) and isinstance(actual, dict):
            yield from _lines(expected, actual, f"{prefix}{name}: ")
        else:
            yield prefix + name, expected, actual, _RIGHT if expected == actual else _WRONG


def _many(name: str, truth: dict[str, Any], found: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    """Yield one line for the whole group, then one per number that differs."""
    differ = [key for key in truth | found if truth.get(key) != found.get(key)]
    equal = len(truth | found) - len(differ)
    yield name, f"{len(truth)} {_MANY[name]}", f"{equal} equal", _WRONG if differ else _RIGHT
    for key in differ:
        yield from _lines({key: truth.get(key)}, {key: found.get(key)}, f"{name}: ")
