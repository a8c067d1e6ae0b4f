"""Uses the public API as a user would. mypy checks this file, in strict mode; nothing runs it."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import assert_type

import polars as pl

import advertisex as ax
from advertisex import AdvertiseXError, EventLog, EventStore, SourceUnavailable


def script() -> None:
    with ax.open_log("sqlite:///log.db") as log, ax.open_store("duckdb:///store.duckdb") as store:
        published = ax.ingest("clicks", "clicks.csv", log)
        assert_type(published, ax.Published)
        assert_type(published.sources, dict[str, ax.Counted])
        assert_type(ax.process_log(log, store), ax.Counts)
        print(ax.summarise(store).facts["users"], ax.__version__)


def questions(store: EventStore) -> Iterator[ax.Answer]:
    scope = ax.Scope(since=datetime(2026, 1, 1, tzinfo=UTC), campaign="camp-1")
    yield ax.summarise(store)
    yield ax.summarise(store, scope, by="day")
    yield ax.correlate(store, scope, by="day")
    yield ax.funnel(store, scope, by="website")
    yield ax.attribute(store, scope, models=["last", "linear"], click_window=timedelta(days=7))
    yield ax.journeys(store, scope, by="website", windows=[timedelta(days=7)])
    yield ax.reach(store, scope, by="week")
    yield ax.pacing(store, scope)
    yield ax.pacing(store, scope, curve="weekday")
    yield ax.performance(store, scope, by="day")
    yield ax.reach(store, scope)
    yield ax.bids(store, scope)
    yield ax.quality(store, scope, limit=10)
    yield ax.reconcile(store, ax.read_report("partner.csv"), scope, tolerance="0.05", partner_zone="Europe/Paris")
    yield ax.list_events(store, scope, of="clicks", limit=3)
    yield ax.restatement(store, scope, start=datetime(2026, 1, 1))


def wrong_questions(store: EventStore) -> None:
    ax.pacing(store, curve="flat")  # type: ignore[arg-type]
    ax.summarise(store, by="planet")  # type: ignore[arg-type]
    ax.reach(store, by="hour")  # type: ignore[arg-type]
    ax.attribute(store, models=["lats"])  # type: ignore[list-item]
    ax.restatement(store)  # type: ignore[call-arg]
    ax.nonsense  # type: ignore[attr-defined]


def answers(answer: ax.Answer) -> None:
    assert_type(answer.to_json(), str)
    assert_type(answer.to_csv(table="days"), str)
    assert_type(answer.to_html(), str)
    answer.to_html(Path("page.html"), inline=True)
    answer.to_csv("days.csv", table="days")
    assert_type(answer.table("days"), pl.DataFrame)
    assert_type([chart.table for chart in answer.charts], list[str])
    assert_type([table.title for table in answer.tables], list[str])


def errors(log: EventLog, feed: ax.Feed) -> float | None:
    try:
        ax.ingest(feed, ["https://api.example/clicks"], log, ax.IngestOptions(mapping=ax.FieldMapping({"a": "b"})))
    except SourceUnavailable as error:
        return error.retry_after
    except (ax.SourceError, ax.LogError, ax.StoreBusy) as error:
        print(error.what, error.where, error.hint)
    except AdvertiseXError as error:
        print(error.exit_code)
    return None


def configured(file: Path, stop: Event) -> None:
    settings = ax.load_settings(file, {"memory": "512MB"})
    assert_type(settings, ax.Settings)
    processing = ax.Processing(ax.configured_feeds(settings), ax.Policy(negative_users=False))
    with ax.open_log(settings.log_url) as log, ax.open_store(settings.store_url) as store:
        ax.process_log(log, store, processing, stop=stop, on_commit=on_commit)
        ax.process_log(log, store, ax.processing_of(settings))
        selection = ax.Selection(ax.RejectQuery(reason="missing_field"), processing.feeds)
        assert_type(ax.replay(store, log, selection, stop=stop), ax.Replayed)
        assert_type(ax.resolve(store, ax.RejectQuery(kind="conflict"), "known"), ax.Resolution)
        assert_type(ax.erase("u-1", log, store, processing.feeds), ax.ErasureRun)


def rebuilt(log: EventLog, processing: ax.Processing) -> None:
    with ax.open_replacement("duckdb:///store.duckdb") as replacement:
        assert_type(ax.missing_messages(replacement, log, processing), list[ax.Missing])
        assert_type(ax.rebuild_store(replacement, log, processing), ax.Rebuilt)
        assert_type(replacement.progress(), dict[ax.Partition, ax.Progress])
    assert_type(ax.drop_old("duckdb:///store.duckdb"), list[str])


def on_commit(committed: ax.Committed) -> None:
    print(committed.outcome.span.of, committed.counts.stored, committed.seconds.commit)


def simulated(folder: Path) -> ax.Truth:
    return ax.simulate_files(folder, ax.SimulationSettings(events=1_000))


class CountingStore:
    """The types that an event store of one's own needs."""

    def __init__(self, store: EventStore) -> None:
        self._store, self.counts = store, ax.Counts()

    def positions(self) -> dict[ax.Partition, int]:
        return self._store.positions()

    def commit(self, outcome: ax.Outcome) -> ax.Counts:
        added = self._store.commit(outcome)
        self.counts += added
        return added

    def ledger(self) -> list[ax.LedgerRow]:
        return self._store.ledger()

    def rejects(self, query: ax.RejectQuery) -> pl.DataFrame:
        return self._store.rejects(query).select(list(ax.STORED_REJECT_COLUMNS))

    def mark_replayed(self, replays: Mapping[ax.Position, ax.Position]) -> None:
        self._store.mark_replayed(replays)

    def extent(self, feed: str, within: ax.Range) -> ax.Extent:
        return self._store.extent(feed, within)

    def remove(self, removal: ax.Removal) -> pl.DataFrame:
        return self._store.remove(removal)

    def inspect(self) -> list[ax.Finding]:
        return self._store.inspect()


class CountingLog:
    """The types that an event log of one's own needs."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def read(self, topic: str, partition: int, offset: int, limit: int) -> ax.Batch:
        batch = self._log.read(topic, partition, offset, limit)
        assert_type(batch.span, ax.Span)
        return batch

    def reader(self, topics: Collection[str], store: EventStore) -> ax.LogReader:
        return self._log.reader(topics, store.positions, 1_000)
