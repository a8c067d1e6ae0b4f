"""`advertisex doctor`: check the settings, the log, the store and the machine."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import typer
from rich.text import Text

from advertisex.catalogue.file import read_catalogue
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
from advertisex.cli.output import out, plain, print_json
from advertisex.errors import AdvertiseXError, ConfigurationError, StoreError, StoreMissing
from advertisex.feeds import Feed
from advertisex.ingestion.source_status import SourceStatus, load_statuses
from advertisex.model import Finding, LedgerRow, Partition
from advertisex.processing.identity_note import check_identities
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore
from advertisex.stores.log_identity import check_same_logs

_LOW_DISK = 2 * 2**30
_OLDEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
_CLIENTS = ("polars", "duckdb", "confluent-kafka", "elasticsearch", "fastavro")


def doctor(
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check settings, log, topics, store, templates, versions, clock and disk; suggest a fix for each problem."""
    found = _findings(lambda: settings_of(config, data=data, log=log, store=store))
    findings = [replace(f, hint="") if f.good else f for f in found]
    if as_json:
        print_json({"findings": [asdict(f) for f in findings], "good": all(f.good for f in findings)})
    else:
        width = max(len(f.what) for f in findings)
        for f in findings:
            mark = Text("ok ", "green") if f.good else Text("bad", "red bold")
            text = f.detail + (f"; {f.hint}" if f.hint else "")
            out.print(mark, plain(f.what.ljust(width)), plain(text), soft_wrap=True)
    if not all(f.good for f in findings):
        raise typer.Exit(1)


def _findings(load: Callable[[], Settings]) -> Iterator[Finding]:
    yield _versions()
    yield _clock()
    try:
        settings = load()
        feeds = configured_feeds(settings)
        if settings.catalogue:
            read_catalogue(settings.catalogue)
    except AdvertiseXError as error:
        yield _bad("settings", error)
        return
    yield Finding("settings", True, "all settings are valid")
    yield _disk(settings.data)
    topics = [feed.topic for feed in feeds.values()]
    ends: dict[Partition, int] | None = None
    logs: dict[str, str] = {}
    try:
        with opened_log(settings, create=False) as event_log:
            yield from event_log.inspect(topics)
            ends, logs = event_log.end_offsets(), event_log.identities(topics)
            yield _sources(load_statuses(event_log))
    except AdvertiseXError as error:
        yield _bad("log", error)
    try:
        with opened_store(settings, read_only=True) as event_store:
            yield from event_store.inspect()
            ledger = event_store.ledger()
            balanced = all(row.counts.balanced for row in ledger)
            yield _catalogue(event_store)
            yield _identities(event_store, feeds)
            yield Finding(
                "ledger", balanced, "it balances" if balanced else "it does not balance", "please report this"
            )
            if ends is not None:
                yield _log_and_ledger(ledger, ends, logs)
    except StoreMissing as error:
        yield Finding("store", True, f"{error.what} ({error.where})")
    except AdvertiseXError as error:
        yield _bad("store", error)


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
        text += f"imported {imports[-1]:%Y-%m-%d %H:%M:%S} UTC; imports: {len(imports):,}"
    return Finding("catalogue", True, text)


def _log_and_ledger(ledger: Sequence[LedgerRow], ends: Mapping[Partition, int], logs: Mapping[str, str]) -> Finding:
    """Check that the log continues from the ledger: in a lost or recreated log, new messages would never be read."""
    what, hint = "log and ledger", "restore the old log, or run `advertisex rebuild` to make a new store from this one"
    try:
        check_same_logs(ledger, logs)
    except StoreError as error:
        return _bad(what, error)
    for row in ledger:
        end = ends.get(Partition(row.topic, row.partition), 0)
        if end < row.next_offset:
            text = f"the ledger is at offset {row.next_offset:,}, but the log ends at {end:,}"
            return Finding(what, False, f"{text} ({row.topic}/{row.partition})", hint)
    return Finding(what, True, "the log reaches at least as far as the ledger")


def _sources(statuses: Sequence[SourceStatus]) -> Finding:
    """Check that the last poll of each source did not fail."""
    failing = [status.name for status in statuses if status.is_failing]
    if not failing:
        return Finding("sources", True, f"{len(statuses):,} read incrementally, none of them failing")
    names = ", ".join(failing[:3]) + (f" and {len(failing) - 3:,} more" if len(failing) > 3 else "")
    return Finding("sources", False, f"the last poll failed: {names}", "see `advertisex sources`")


def _bad(what: str, error: AdvertiseXError) -> Finding:
    place = f" ({error.where})" if error.where else ""
    return Finding(what, False, error.what + place, error.hint)


def _versions() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    names = ", ".join(f"{name} {version(name)}" for name in _CLIENTS)
    return Finding("versions", True, f"advertisex {version('advertisex')}, Python {python}, {names}")


def _clock() -> Finding:
    """Check the clock: events from the future are rejected, so with a slow clock valid events are rejected."""
    now = datetime.now(UTC)
    return Finding("clock", now > _OLDEST_CLOCK, f"{now:%Y-%m-%d %H:%M:%S} UTC, zone {time.tzname[0]}", "set the clock")


def _disk(folder: Path) -> Finding:
    existing = next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    return Finding("disk", free > _LOW_DISK, f"{free / 2**30:.1f} GiB free at {folder}", "free some space")
