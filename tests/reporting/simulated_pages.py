"""Pages of every question, from one folder of simulated data."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from advertisex.analysis import bids, correlation, funnel, restatement, summary
from advertisex.analysis.answer import Answer
from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.journeys.report import journeys
from advertisex.analysis.quality.report import quality
from advertisex.analysis.reach.report import reach
from advertisex.analysis.scope import Scope
from advertisex.demo import demonstrate, simulate_files
from advertisex.logs.open import open_log
from advertisex.processing.configured import processing_of
from advertisex.reporting.page import write_page
from advertisex.settings.load import load_settings
from advertisex.simulator import SimulationSettings
from advertisex.stores.contract import EventStore
from advertisex.stores.open import open_store


def write_pages(folder: Path) -> None:
    """Simulate traffic, and write a page for each question into `folder`/pages."""
    sources, pages = folder / "sources", folder / "pages"
    pages.mkdir()
    truth = simulate_files(sources, SimulationSettings(events=4_000, seed=1))
    settings = load_settings(sources / "advertisex.toml", {"data": folder / "data"}, environment=False)
    with open_log(settings.log_url) as log, open_store(settings.store_url) as store:
        demonstrate(sources, truth, log, store, processing_of(settings), lambda *_: None, lambda _: None)
        for name, answer in _answers(store, Scope().settled(store)):
            write_page(answer, pages / f"{name}.html")


def _answers(store: EventStore, scope: Scope) -> Iterator[tuple[str, Answer]]:
    yield "summary", summary.summarise(store, scope)
    yield "correlation", correlation.correlate(store, scope)
    yield "funnel", funnel.funnel(store, scope, by="campaign_id")
    yield "attribution", attribute(store, scope)
    yield "journeys", journeys(store, scope)
    yield "reach", reach(store, scope, by="day")
    yield "bids", bids.bids(store, scope)
    yield "quality", quality(store, scope)
    yield "restatement", restatement.restatement(store, scope, start=datetime(2026, 1, 8))
