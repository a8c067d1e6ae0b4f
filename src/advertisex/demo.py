"""The demo: simulate known traffic, run the whole pipeline on it, and compare the results with the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from advertisex.analysis.answer import Answer
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.funnel import funnel
from advertisex.analysis.summary import summarise
from advertisex.catalogue.files import CatalogueFiles
from advertisex.catalogue.imports import import_catalogue
from advertisex.codecs.unreadable import REASONS as UNREADABLE
from advertisex.feeds import Feed
from advertisex.ingestion.ingest import ingest
from advertisex.logs.contract import EventLog
from advertisex.model import Counts, LedgerRow
from advertisex.processing.runner import Committed, Processing, process_log
from advertisex.simulator import CAMPAIGNS_FILE, CATALOGUE_FILE, FILE_NAMES, SimulationSettings, Truth, write_files
from advertisex.stores.contract import EventStore, RejectQuery

#: Each funnel step, and the fact of the funnel answer that counts its users.
_USERS = {
    "impressions": "impression_users",
    "clicks": "click_users",
    "conversions": "conversion_users",
    "bids": "bid_users",
}

#: What ingestion could not read has a precise reason; the simulator knows only that it cannot be decoded.
_SIMULATED_AS = dict.fromkeys(UNREADABLE, "undecodable")

#: Called with the name of a step, and the number of its messages if it is known.
OnStep = Callable[[str, int | None], None]
#: Called with the number of messages of the step that are done.
OnProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The simulator's truth and the pipeline's results, both in the format of `Truth.to_dict`."""

    truth: dict[str, Any]
    found: dict[str, Any]
    ledger: list[LedgerRow]
    summary: Answer
    correlation: Answer

    @property
    def ok(self) -> bool:
        """Whether the results equal the truth and the ledger balances."""
        return self.truth == self.found and all(row.counts.balanced for row in self.ledger)


def simulate_files(folder: Path, settings: SimulationSettings, on_progress: OnProgress | None = None) -> Truth:
    """Write the demo's source files and their truth into `folder`."""
    return write_files(folder, settings, on_progress)


def demonstrate(
    folder: Path,
    truth: Truth,
    log: EventLog,
    store: EventStore,
    processing: Processing,
    on_step: OnStep,
    on_progress: OnProgress,
) -> Demonstration:
    """Ingest, process and analyse the files, the catalogue among them, that `simulate_files` wrote.

    Args:
        folder: where the files are.
        truth: the truth about them.
        log: an empty log.
        store: an empty store.
        processing: configured with the policy of the simulation.
        on_step: called with the name of each step as it starts.
        on_progress: called with how far the step is.
    """
    processed = 0

    def on_commit(committed: Committed) -> None:
        nonlocal processed
        processed += committed.counts.read
        on_progress(processed)

    for name, file in FILE_NAMES.items():
        on_step(f"ingest {name} from {file}", truth.feeds[name].read)
        ingest(processing.feeds[name], [str(folder / file)], log, on_progress=lambda messages, _: on_progress(messages))
    on_step(f"import the catalogue from {CATALOGUE_FILE} and {CAMPAIGNS_FILE}", None)
    tables = CatalogueFiles([folder / CATALOGUE_FILE, folder / CAMPAIGNS_FILE]).read()
    import_catalogue(tables.creatives, store, tables.campaigns)
    on_step("process: validate, filter, deduplicate, store", sum(feed.read for feed in truth.feeds.values()))
    process_log(log, store, processing, on_commit=on_commit)
    on_step("analyze", None)
    summary, correlation = summarise(store), correlate(store)
    steps, auctions = funnel(store, by="campaign_id"), bids(store)
    expected, counted = truth.to_dict(), summary.to_dict()
    return Demonstration(
        truth={"feeds": expected["feeds"], "analysis": expected["analysis"]},
        found={
            "feeds": {name: _found(feed, store, expected["feeds"][name]) for name, feed in processing.feeds.items()},
            "analysis": {
                **{name: counted[name] for name in ("counts", "users", "first_event", "last_event")},
                "clicks_feed_users": correlation.facts["users"],
                "clicks_per_conversion": correlation.facts["clicks_per_conversion"],
                **_funnel_facts(steps),
                "auctions_won": auctions.facts["won"],
                "bid_value_won": _amounts(auctions.facts["bid_value_won"]),
            },
        },
        ledger=store.ledger(),
        summary=summary,
        correlation=correlation,
    )


def _funnel_facts(answer: Answer) -> dict[str, Any]:
    """The funnel's results in the format of the truth."""
    return {
        "users_of": {step: answer.facts[users] for step, users in _USERS.items()},
        "value": _amounts(answer.facts["value"]),
        "gross_value": _amounts(answer.facts["gross_value"]),
        "by_campaign": {
            str(row["campaign_id"]): {step: row[step] for step in _USERS}
            for row in answer.table("rows").iter_rows(named=True)
        },
    }


def _amounts(by_currency: Mapping[str, Decimal]) -> dict[str, float]:
    return {currency: float(amount) for currency, amount in by_currency.items() if amount}


def _found(feed: Feed, store: EventStore, truth: dict[str, Any]) -> dict[str, Any]:
    """A feed's counts from the ledger and the rejects; every reason of the truth is present, even at 0."""
    counts = sum((row.counts for row in store.ledger() if row.topic == feed.topic), Counts())
    found: dict[str, dict[str, int]] = {kind: dict.fromkeys(truth[kind], 0) for kind in ("rejected", "filtered")}
    conflicts = 0
    for kind, reason, count in (
        store.reject_counts(RejectQuery(feed=feed.name)).select("kind", "reason", "count").iter_rows()
    ):
        if kind == "conflict":
            conflicts += count
        else:
            simulated = _SIMULATED_AS.get(reason, reason)
            found[kind][simulated] = found[kind].get(simulated, 0) + count
    return {
        "read": counts.read,
        "stored": counts.stored,
        "duplicate": counts.duplicate,
        "conflict": conflicts,
        **found,
    }
