"""`advertisex demo`: the whole pipeline on simulated data, checked against the known truth."""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.text import Text

from advertisex.cli.analyze import print_correlation, print_summary
from advertisex.cli.options import DataOption, DebugOption, JsonOption, LogOption, StoreOption, opened_log, opened_store
from advertisex.cli.output import err, ledger_dict, out, print_json, print_ledger, print_table
from advertisex.demo import Demonstration, demonstrate, simulate_files
from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.processing.configured import processing_of
from advertisex.settings.load import load_settings
from advertisex.simulator import SimulationSettings

#: Parts of the truth with too many numbers to list, and what they are keyed by.
_MANY = {"value": "currencies", "gross_value": "currencies", "spend": "currencies", "by_campaign": "campaigns"}
_RIGHT, _WRONG = Text("✓", style="green"), Text("✗", style="red bold")


def demo(
    events: Annotated[int, typer.Option(min=1_000, help="Number of messages to simulate.")] = 200_000,
    seed: Annotated[int, typer.Option(help="Random seed; the same seed gives the same traffic.")] = 1,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run the whole pipeline on simulated data, and check the result against the known truth."""
    with _folder(data) as folder:
        began = time.monotonic()
        flags = {"data": folder, "log": log, "store": store} | (_isolated() if log or store else {})
        shown = _demonstrate(folder, flags, SimulationSettings(events=events, seed=seed), quiet=as_json)
        took = time.monotonic() - began
    if as_json:
        print_json(_document(shown))
    else:
        _print(shown, took, data)
    if not shown.ok:
        raise typer.Exit(1)


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is None:
        with TemporaryDirectory(prefix="advertisex-demo-") as folder:
            yield Path(folder)
        return
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise ConfigurationError(
            "the demo needs an empty folder",
            where=str(data),
            hint="choose a new or empty folder with --data",
        )
    data.mkdir(parents=True, exist_ok=True)
    yield data


def _demonstrate(folder: Path, flags: dict[str, Any], simulation: SimulationSettings, *, quiet: bool) -> Demonstration:
    def step(name: str) -> None:
        if not quiet:
            err.print(f"  {name}", markup=False, style="dim")

    step(f"simulate {simulation.events:,} messages of three feeds, with faults")
    sources = folder / "sources"
    truth = simulate_files(sources, simulation)
    # the user's environment variables are for the user's own data
    settings = load_settings(sources / "advertisex.toml", flags, environment=False)
    with opened_log(settings) as log, opened_store(settings, read_only=False) as store:
        return demonstrate(sources, truth, log, store, processing_of(settings), step)


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


def _print(shown: Demonstration, took: float, data: Path | None) -> None:
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
        out.print(f"[green bold]OK[/]: every number matches the truth (finished in {took:.1f} s).")
    else:
        out.print("[red bold]NOT OK[/]: the lines marked ✗ differ. Please report this with the seed.")
    if data is not None:
        out.print(f"Explore the result: advertisex rejects list --data {shlex.quote(str(data))}", markup=False)


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
