"""A collector, and the log that it appends to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.settings.load import load_settings
from advertisex.settings.web import WebSettings
from advertisex.stores.open import open_store
from advertisex.web.server import serving
from advertisex.web.site import Site
from advertisex.web.uploads import Uploads

JSON, NDJSON, AVRO = "application/json", "application/x-ndjson", "avro/binary"


@dataclass(frozen=True)
class Place:
    """A running collector.

    Attributes:
        client: a client of it.
        log: its log.
        path: the file of the log.
    """

    client: httpx.Client
    log: EventLog
    path: Path

    def post(self, feed: str, body: Any, kind: str = JSON, **headers: str) -> httpx.Response:
        """Post a body of this content type; further headers are given with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/v1/events/{feed}", content=body, headers={"Content-Type": kind} | named)

    def messages(self, topic: str, start: int = 0) -> list[bytes]:
        """All messages of a topic from an offset on."""
        return list(self.log.read(topic, 0, start, 1_000_000).payloads)

    def end(self) -> int:
        """The number of messages in the log."""
        return sum(self.log.end_offsets().values())


@contextmanager
def collecting(folder: Path, *, wait: float = 30.0, **settings: Any) -> Iterator[Place]:
    """Run a collector with these settings of its own over a new log.

    Args:
        folder: where the log is.
        wait: seconds that an append waits for a lock of the log.
        settings: the section `collector`.
    """
    path = folder / "log.db"
    with SqliteLog(path, wait=wait) as log, collecting_into(log, {"data": folder, "collector": settings}) as client:
        yield Place(client, log, path)


@contextmanager
def collecting_into(log: EventLog, settings: dict[str, Any]) -> Iterator[httpx.Client]:
    """Run a collector with these settings over a log; yield a client of it."""
    site = site_of(settings, log)
    with serving(site, WebSettings(port=0)) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


def site_of(settings: dict[str, Any], log: EventLog | None) -> Site:
    """A site with these settings that collects into a log, or not."""
    known = load_settings(None, settings)
    store = partial(open_store, known.store_url, read_only=True)
    marks, reading = partial(open_store, known.store_url), partial(open_log, known.log_url, create=False)
    return Site(known, store, reading, Uploads(known.data), marks, log)
