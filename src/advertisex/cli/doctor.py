"""`advertisex doctor`: check the settings, the log, the store and the machine."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from advertisex.catalogue.files import catalogue_files
from advertisex.cli.doctor_deep import deep_log_findings, deep_store_findings, lost_spans
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    opened_log,
    opened_store,
    settings_of,
)
from advertisex.cli.output import plain, print_json, say
from advertisex.cli.session import where_of
from advertisex.errors import AdvertiseXError, ConfigurationError, LogError, StoreError, StoreMissing
from advertisex.feeds import Feed
from advertisex.ingestion.source_status import SourceStatus, load_statuses
from advertisex.logs.contract import EventLog
from advertisex.logs.open import check_retention
from advertisex.model import Finding, Partition
from advertisex.processing.clock_check import clock_finding
from advertisex.processing.identity_note import check_identities
from advertisex.processing.log_check import check_log
from advertisex.processing.log_retention import limits_of, processed_in
from advertisex.processing.retention_time import retention_time
from advertisex.processing.store_retention import finding_of
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import LogSettings, Settings
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore
from advertisex.stores.log_identity import positions_in

_LOW_DISK = 2 * 2**30
_OLDEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
_CLIENTS = ("polars", "duckdb", "confluent-kafka", "elasticsearch", "fastavro")


def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read and verify everything in the log and the store.")] = False,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check settings, log, topics, store, templates, versions, clock and disk; suggest a fix for each problem."""
    found = findings(lambda: settings_of(config, data=data, log=log, store=store), deep=deep)
    shown = [replace(f, hint="") if f.good else f for f in found]
    if as_json:
        print_json({"findings": [asdict(f) for f in shown], "good": all(f.good for f in shown)})
    else:
        width = max(len(f.what) for f in shown)
        for f in shown:
            mark = Text("ok ", "green") if f.good else Text("bad", "red bold")
            text = f.detail + (f"; {f.hint}" if f.hint else "")
            say(text, head=Text.assemble(mark, " ", plain(f.what.ljust(width)), " "))
    if not all(f.good for f in shown):
        raise typer.Exit(1)


def findings(load: Callable[[], Settings], *, deep: bool) -> Iterator[Finding]:
    """Yield what the checks have found; `deep` reads everything in the log and the store."""
    yield _versions()
    yield _clock()
    try:
        settings = load()
        check_retention(settings.log_url, settings.log)
        feeds = configured_feeds(settings)
        catalogue_files(settings).read()
    except AdvertiseXError as error:
        yield _bad("settings", error)
        return
    yield Finding("settings", True, "all settings are valid")
    yield _disk(settings.data)
    topics = [feed.topic for feed in feeds.values()]
    with ExitStack() as stack:
        event_log: EventLog | None = None
        event_store = _store_or_error(settings, stack)
        try:
            opened = stack.enter_context(opened_log(settings, create=False))
            yield from opened.inspect(topics)
            if deep:
                lost = [] if isinstance(event_store, AdvertiseXError) else lost_spans(event_store)
                yield from deep_log_findings(opened, topics, lost)
            event_log = opened
            yield _sources(load_statuses(opened))
        except AdvertiseXError as error:
            yield _bad("log", error)
        try:
            if isinstance(event_store, AdvertiseXError):
                raise event_store
            yield from _store_findings(event_store, feeds)
            if deep:
                yield from deep_store_findings(event_store, feeds, identities=_identities(event_store, feeds).good)
            yield _store_retention(settings, event_store, event_log, topics)
            if event_log is not None:
                yield _log_and_ledger(event_store, event_log, topics)
                yield from _log_retention(settings.log, event_store, event_log)
        except StoreMissing as error:
            yield Finding("store", True, f"{error.what} ({error.where})", error.hint)
        except AdvertiseXError as error:
            yield _bad("store", error)


def _store_or_error(settings: Settings, stack: ExitStack) -> EventStore | AdvertiseXError:
    """The store, opened once for all checks; or why it cannot be opened, which is reported after the log."""
    try:
        return stack.enter_context(opened_store(settings, read_only=True))
    except AdvertiseXError as error:
        return error


def _store_findings(store: EventStore, feeds: Mapping[str, Feed]) -> Iterator[Finding]:
    yield from store.inspect()
    yield clock_finding(store, utc_now())
    yield _catalogue(store)
    yield _identities(store, feeds)
    balanced = all(row.counts.balanced for row in store.ledger())
    yield Finding("ledger", balanced, "it balances" if balanced else "it does not balance", "please report this")


def _store_retention(settings: Settings, store: EventStore, log: EventLog | None, topics: Sequence[str]) -> Finding:
    now = utc_now()
    counted = None if log is None else retention_time(now, store, log, topics)
    return finding_of(store, settings.store.keep_days, now, counted)


def _identities(store: EventStore, feeds: Mapping[str, Feed]) -> Finding:
    try:
        check_identities(store, feeds)
    except ConfigurationError as error:
        return _bad("identities", error)
    return Finding("identities", True, "the store's are those of the settings")


def _catalogue(store: EventStore) -> Finding:
    imports, rows = store.catalogue_imports(), store.catalogue()
    text = "none has been imported, so impressions and bids have no campaign; see `advertisex catalogue import FILE`"
    if imports:
        text = f"{rows['creative_id'].n_unique():,} creatives of {rows['campaign_id'].n_unique():,} campaigns, "
        text += f"{flights:,} flights, " if (flights := store.campaigns().height) else ""
        text += f"imported {imports[-1]:%Y-%m-%d %H:%M:%S} UTC; imports: {len(imports):,}"
    return Finding("catalogue", True, text)


def _log_and_ledger(store: EventStore, log: EventLog, topics: Sequence[str]) -> Finding:
    """Check that the log continues from the ledger: in a lost or recreated log, new messages would never be read."""
    what = "log and ledger"
    try:
        ledger = store.ledger()
        known = {row.topic for row in ledger}
        check_log(log, store, known)
        starts = log.start_offsets(known)
        for of, end in log.end_offsets(topics).items():  # what `process` reads next
            if (done := positions_in(ledger).get(of, 0)) < end:
                log.read(*of, done, 1)
    except (StoreError, LogError) as error:
        return _bad(what, error)
    lost = []
    for row in ledger:
        of = Partition(row.topic, row.partition)
        done, start = row.next_offset, starts.get(of, 0)
        if start > done:
            text = f"retention removed {start - done:,} messages of {row.topic}/{row.partition} before they were read"
            return Finding(what, False, text, "restore the old log before the next `advertisex process`")
        if count := row.counts.lost:
            lost.append(f"; lost: {count:,} messages of {row.topic}/{row.partition}")
    return Finding(what, True, "the log reaches at least as far as the ledger" + "".join(lost))


def _log_retention(settings: LogSettings, store: EventStore, log: EventLog) -> Iterator[Finding]:
    """Check that the embedded log is within its limits; yield nothing for another log."""
    if not log.prunable:
        return
    limits = {"log.keep_days": settings.keep_days, "log.keep_size": settings.keep_size}
    given = [f"{name} = {limit:,}" for name, limit in limits.items() if limit is not None]
    if not given:
        yield Finding("log's retention", True, "the log keeps every message; see log.keep_days and log.keep_size")
        return
    overdue = log.overdue(processed_in(store, log), limits_of(settings, utc_now()))
    text = ", ".join(given) + (": exceeded by messages that are not processed" if overdue else "")
    yield Finding("log's retention", not overdue, text, "run `advertisex process`")


def _sources(statuses: Sequence[SourceStatus]) -> Finding:
    """Check that the last poll of each source did not fail."""
    failing = [status.name for status in statuses if status.is_failing]
    if not failing:
        return Finding("sources", True, f"{len(statuses):,} read incrementally, none of them failing")
    names = ", ".join(failing[:3]) + (f" and {len(failing) - 3:,} more" if len(failing) > 3 else "")
    return Finding("sources", False, f"the last poll failed: {names}", "see `advertisex sources`")


def _bad(what: str, error: AdvertiseXError) -> Finding:
    where = where_of(error)
    return Finding(what, False, f"{error.what} ({where})" if where else error.what, error.hint)


def _versions() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    names = ", ".join(f"{name} {_version_of(name)}" for name in _CLIENTS)
    return Finding("versions", True, f"advertisex {version('advertisex')}, Python {python}, {names}")


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _clock() -> Finding:
    """Check the clock: events from the future are rejected, so with a slow clock valid events are rejected."""
    now = datetime.now(UTC)
    return Finding("clock", now > _OLDEST_CLOCK, f"{now:%Y-%m-%d %H:%M:%S} UTC, zone {time.tzname[0]}", "set the clock")


def _disk(folder: Path) -> Finding:
    existing = next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    return Finding("disk", free > _LOW_DISK, f"{free / 2**30:.1f} GiB free at {folder}", "free some space")
