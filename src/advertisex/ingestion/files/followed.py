"""Files that are read incrementally."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from advertisex.feeds import Feed
from advertisex.ingestion.files.positions import address_of, load
from advertisex.ingestion.files.watch import SETTLED_POLLS, Watch
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.polled import PolledSource
from advertisex.ingestion.records import Input
from advertisex.ingestion.source_status import lock_source, source_id, state_prefix
from advertisex.ingestion.sources import Files
from advertisex.logs.contract import EventLog
from advertisex.masking import masked


class FollowedFiles(PolledSource):
    """A file, folder or glob, polled for new records. Only one process reads it; the positions are in the log.

    Without `follow`, a poll reads each file to its end, unless it grows meanwhile. The clock is a monotonic one.
    """

    def __init__(
        self,
        source: Files,
        feed: Feed,
        options: IngestOptions,
        log: EventLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._feed, self._options, self._log, self._clock = source, feed, options, log, clock
        self.name = masked(source.name)
        self.address = address_of(source)
        self.id = source_id(feed, self.address, options)
        self._prefix = state_prefix(self.kind, self.id)
        self._watch: Watch | None = None
        self.due: float | None = time.monotonic()

    @property
    def position(self) -> str:
        number = 0 if self._watch is None else self._watch.files
        return f"{number:,} file{'s' if number != 1 else ''}"

    def poll(self) -> Iterator[Input]:
        self.due = time.monotonic() + self._options.every
        watch = self._locked()
        for _ in range(1 if self._options.follow else SETTLED_POLLS):
            yield from watch.poll()

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()

    def _locked(self) -> Watch:
        """Return the watch of the source, once it is locked for this process.

        Raises:
            SourceError: it is locked by another process, or does not exist.
        """
        if self._watch is None:
            lock_source(self._log, self._prefix, self._source.name, follow=self._options.follow)
            positions = load(self._log.state(self._prefix))
            self._watch = Watch(self._source, self._feed, self._options, self._prefix, positions, clock=self._clock)
            if not positions and not self._source.paths() and not Path(self._source.name).is_dir():
                self._source.existing_paths()
        return self._watch
