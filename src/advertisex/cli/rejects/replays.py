"""Where a replay runs: here, or on a server."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, Self

from advertisex.cli.options import opened_log, opened_store, store_for_changes
from advertisex.cli.progress import progress
from advertisex.cli.server import Server
from advertisex.cli.signals import stop_on_signals
from advertisex.inspection.reading import utc
from advertisex.inspection.replays import Previewed, previewed
from advertisex.processing.log_check import check_log
from advertisex.rejects.replay import Replayed, replay
from advertisex.rejects.selection import Selection, choose
from advertisex.settings.model import Settings


class Replays(Protocol):
    """A replay that can be previewed before it runs."""

    def check(self) -> None:
        """Check that it can run, before somebody is asked."""

    def previewed(self) -> Previewed:
        """What it would send."""

    def as_of(self, time: datetime | None) -> Self:
        """The same, only of rejects that were processed by then."""

    def replayed(self) -> Replayed:
        """Run it."""


@dataclass(frozen=True, slots=True)
class Own:
    """A replay with the log and the store of the settings."""

    settings: Settings
    selection: Selection

    def check(self) -> None:
        """Check that it can run, before somebody is asked."""
        with opened_log(self.settings, create=False) as log, opened_store(self.settings, read_only=True) as store:
            check_log(log, store, [feed.topic for feed in self.selection.feeds.values()])

    def previewed(self) -> Previewed:
        """What it would send."""
        with opened_store(self.settings, read_only=True) as store:
            return previewed(store, self.selection, self.settings)

    def as_of(self, time: datetime | None) -> Self:
        """The same, only of rejects that were processed by then."""
        return replace(self, selection=replace(self.selection, query=replace(self.selection.query, as_of=time)))

    def replayed(self) -> Replayed:
        """Run it."""
        with (
            opened_log(self.settings, create=False) as log,
            store_for_changes(self.settings) as store,
            stop_on_signals(store.interrupt) as stop,
            progress("replaying", None) as bar,
        ):
            if bar.is_shown:
                bar.begin("replaying", choose(store, self.selection).messages)
            return replay(store, log, self.selection, stop=stop, on_progress=bar.reach)


@dataclass(frozen=True, slots=True)
class Remote:
    """A replay on a server, with the options of the API."""

    server: Server
    options: Mapping[str, Any]

    def check(self) -> None:
        """Check nothing: the server does when it runs."""

    def previewed(self) -> Previewed:
        """What it would send."""
        return self.server.post("rejects/replay", {**self.options, "dry_run": True}, Previewed)

    def as_of(self, time: datetime | None) -> Self:
        """The same, only of rejects that were processed by then."""
        return replace(self, options={**self.options, "as_of": utc(time)})

    def replayed(self) -> Replayed:
        """Run it."""
        return self.server.post("rejects/replay", self.options, Replayed)
