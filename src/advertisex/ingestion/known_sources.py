"""Every source that is known: those of the settings, and those with a status in the log."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from advertisex.errors import ConfigurationError, SourceError
from advertisex.feeds import Feed
from advertisex.ingestion.configured import FeedSource
from advertisex.ingestion.kinds import backfill, check_backfill, identity_of
from advertisex.ingestion.source_status import SourceStatus, load_statuses
from advertisex.ingestion.sources import source_of
from advertisex.logs.contract import EventLog

#: Number of digits of an id that are enough to name a source.
_DIGITS = 8


def known_sources(log: EventLog, configured: list[FeedSource]) -> list[SourceStatus]:
    """Return the statuses of all sources, by name; those of the settings are also there if they were never polled.

    Raises:
        ConfigurationError: a source is misconfigured.
        LogError: the log could not be read.
    """
    found = {id_: unread_status(source) for id_, source in by_id(configured).items()}
    found |= {status.id: status for status in load_statuses(log)}
    return sorted(found.values(), key=lambda status: (status.name, status.feed, status.id))


def by_id(configured: Iterable[FeedSource]) -> dict[str, FeedSource]:
    """Return the sources of the settings by their ids; standard input has none."""
    found = {unread_status(source).id: source for source in configured}
    return {id_: source for id_, source in found.items() if id_}


def unread_status(source: FeedSource) -> SourceStatus:
    """Return the status of a source before its first poll; its id is empty for standard input."""
    parsed = source_of(source.source)
    id_, kind, address = identity_of(parsed, source.feed, source.options) or ("", "files", parsed.name)
    return SourceStatus(id_, source.options.name or address, source.feed.name, kind, address)


def find_source(known: list[SourceStatus], name: str, feed: str | None) -> SourceStatus:
    """Return the source of a name, an address, or the first digits of an id.

    Raises:
        ConfigurationError: the name is empty, no source has it, or several have.
    """
    if not name.strip():  # Path("") is the current folder, but an empty name is most likely an unset variable
        raise ConfigurationError("the name of a source is empty", hint="`advertisex sources` lists their names")
    names = {name, source_of(name).name, str(Path(name).absolute())}
    found = [
        one for one in known if {one.name, one.address} & names or (len(name) >= _DIGITS and one.id.startswith(name))
    ]
    found = [one for one in found if feed in (None, one.feed)]
    if len(found) == 1:
        return found[0]
    if not found:
        all_names = ", ".join(dict.fromkeys(one.name for one in known)) or "none was read yet"
        raise ConfigurationError(f"unknown source {name!r}", hint=f"known: {all_names}")
    feeds = {one.feed for one in found}
    raise ConfigurationError(
        f"{name!r} is the name of {len(found)} sources",
        hint=f"choose one with --feed {' or '.join(sorted(feeds))}"
        if len(feeds) == len(found)
        else f"choose one by its id: {', '.join(one.id[:_DIGITS] for one in found)}",
    )


def reset_source(log: EventLog, feed: Feed, source: SourceStatus) -> bool:
    """Forget what has been read of a source, and its status. Return whether anything was known.

    Raises:
        SourceError: another process reads it.
        LogError: the log could not be read or written.
    """
    _lock(log, source)
    keys = [*log.state(source.prefix), *log.state(source.key)]
    if keys:
        log.append(feed.topic, (), state=dict.fromkeys(keys))
    return bool(keys)


def backfill_source(
    log: EventLog, feed: Feed, source: SourceStatus, since: str | datetime, texts: Iterable[str]
) -> str:
    """Let the next poll of a source start at an earlier time; return in words what will be read again, if anything.

    Args:
        log: the log that keeps its state.
        feed: feed of its records.
        source: its status.
        since: where to start: a time, or for an API a text in the notation of its cursor.
        texts: the texts of the requests to an API.

    Raises:
        ConfigurationError: the source cannot be read from a time on, or the start is invalid.
        SourceError: another process reads it.
        LogError: the log could not be read or written.
    """
    check_backfill(source, texts)
    _lock(log, source)
    return backfill(log, feed, source, since)


def _lock(log: EventLog, source: SourceStatus) -> None:
    if not log.lock(source.prefix):
        raise SourceError(
            "the source is being read by another process", where=source.name, hint="stop that process first"
        )
