"""Checks the settings, the log, the store and the machine."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from advertisex.analysis.answer import Table
from advertisex.catalogue.files import catalogue_files
from advertisex.errors import AdvertiseXError, ConfigurationError, LogError, StoreError, StoreMissing
from advertisex.feeds import Feed
from advertisex.ingestion.source_status import SourceStatus, load_statuses
from advertisex.inspection.place import Place
from advertisex.inspection.reading import Reading
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
from advertisex.settings.origins import Origin, where_of
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore
from advertisex.stores.log_identity import positions_in

_LOW_DISK = 2 * 2**30
_OLDEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
_CLIENTS = ("polars", "duckdb", "confluent-kafka", "elasticsearch", "fastavro")


class DeepChecks(Protocol):
    """Reads and verifies everything in the log and the store."""

    def of_log(self, log: EventLog, topics: Sequence[str], store: EventStore | None) -> Iterable[Finding]:
        """Read everything that the log holds; the store, if it can be read, says what is lost."""
        ...

    def of_store(self, store: EventStore, feeds: Mapping[str, Feed], *, identities: bool) -> Iterable[Finding]:
        """Read everything that the store holds; `identities` as in `check_store`."""
        ...


@dataclass(frozen=True, slots=True)
class Checked(Reading):
    """What the checks have found; a good finding has no hint."""

    findings: Sequence[Finding]

    @property
    def good(self) -> bool:
        """Whether all is good."""
        return all(one.good for one in self.findings)

    def document(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {"findings": [asdict(one) for one in self.findings], "good": self.good}

    def tables(self) -> list[Table]:
        """One row for each check."""
        rows = [(one.what, "good" if one.good else "bad", one.detail, one.hint or None) for one in self.findings]
        frame = pl.DataFrame(rows, schema=dict.fromkeys(("check", "result", "detail", "hint"), pl.String), orient="row")
        return [Table("findings", "Checks", frame, keys=("check",), prose=("detail", "hint"))]

    def notes(self) -> list[str]:
        """Whether all is good."""
        bad = sum(not one.good for one in self.findings)
        return ["All checks are good." if not bad else f"Checks that are bad: {bad:,}."]


def checked(load: Callable[[], Place], deep: DeepChecks | None = None) -> Checked:
    """Check everything, see `findings`."""
    return Checked([replace(one, hint="") if one.good else one for one in findings(load, deep)])


def doctor(place: Place) -> Checked:
    """Check settings, log, topics, store, templates, versions, clock and disk; suggest a fix for each problem."""
    return checked(lambda: place)


def findings(load: Callable[[], Place], deep: DeepChecks | None = None) -> Iterator[Finding]:
    """Yield what the checks have found.

    Args:
        load: loads the settings.
        deep: what reads everything in the log and the store, too.
    """
    yield _versions()
    yield _clock()
    origin: Origin = _not_known
    try:
        place = load()
        settings, origin = place.settings, place.settings.origin
        check_retention(settings.log_url, settings.log)
        feeds = configured_feeds(settings)
        catalogue_files(settings).read()
    except AdvertiseXError as error:
        yield _bad("settings", error, origin)
        return
    yield Finding("settings", True, "all settings are valid")
    yield _disk(settings.data)
    topics = [feed.topic for feed in feeds.values()]
    with ExitStack() as stack:
        event_log: EventLog | None = None
        event_store = _store_or_error(place, stack)
        try:
            opened = stack.enter_context(place.log())
            yield from opened.inspect(topics)
            if deep is not None:
                yield from deep.of_log(
                    opened, topics, None if isinstance(event_store, AdvertiseXError) else event_store
                )
            event_log = opened
            yield _sources(load_statuses(opened))
        except AdvertiseXError as error:
            yield _bad("log", error, origin)
        try:
            if isinstance(event_store, AdvertiseXError):
                raise event_store
            yield from _store_findings(event_store, feeds, origin)
            if deep is not None:
                identities = _identities(event_store, feeds, origin).good
                yield from deep.of_store(event_store, feeds, identities=identities)
            yield _store_retention(settings, event_store, event_log, topics)
            if event_log is not None:
                yield _log_and_ledger(event_store, event_log, topics, origin)
                yield from _log_retention(settings.log, event_store, event_log)
        except StoreMissing as error:
            yield Finding("store", True, f"{error.what} ({error.where})", error.hint)
        except AdvertiseXError as error:
            yield _bad("store", error, origin)


def _store_or_error(place: Place, stack: ExitStack) -> EventStore | AdvertiseXError:
    """The store, opened once for all checks; or why it cannot be opened, which is reported after the log."""
    try:
        return stack.enter_context(place.store())
    except AdvertiseXError as error:
        return error


def _store_findings(store: EventStore, feeds: Mapping[str, Feed], origin: Origin) -> Iterator[Finding]:
    yield from store.inspect()
    yield clock_finding(store, utc_now())
    yield _catalogue(store)
    yield _identities(store, feeds, origin)
    balanced = all(row.counts.balanced for row in store.ledger())
    yield Finding("ledger", balanced, "it balances" if balanced else "it does not balance", "please report this")


def _store_retention(settings: Settings, store: EventStore, log: EventLog | None, topics: Sequence[str]) -> Finding:
    now = utc_now()
    counted = None if log is None else retention_time(now, store, log, topics)
    return finding_of(store, settings.store.keep_days, now, counted)


def _identities(store: EventStore, feeds: Mapping[str, Feed], origin: Origin) -> Finding:
    try:
        check_identities(store, feeds)
    except ConfigurationError as error:
        return _bad("identities", error, origin)
    return Finding("identities", True, "the store's are those of the settings")


def _catalogue(store: EventStore) -> Finding:
    imports, rows = store.catalogue_imports(), store.catalogue()
    text = "none has been imported, so impressions and bids have no campaign; see `advertisex catalogue import FILE`"
    if imports:
        text = f"{rows['creative_id'].n_unique():,} creatives of {rows['campaign_id'].n_unique():,} campaigns, "
        text += f"{flights:,} flights, " if (flights := store.campaigns().height) else ""
        text += f"imported {imports[-1]:%Y-%m-%d %H:%M:%S} UTC; imports: {len(imports):,}"
    return Finding("catalogue", True, text)


def _log_and_ledger(store: EventStore, log: EventLog, topics: Sequence[str], origin: Origin) -> Finding:
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
        return _bad(what, error, origin)
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


def _not_known(*keys: str | int) -> str:
    """The origin of a setting before the settings are loaded."""
    return ""


def _bad(what: str, error: AdvertiseXError, origin: Origin) -> Finding:
    where = where_of(error, origin)
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
