"""Faults that lose data, after a round: they must be reported, and what the administrator then does must work."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing

import httpx
from confluent_kafka.admin import AdminClient

from advertisex.model import Counts
from tests.faults.checks import Result, differences, ids_in, problems_of, result_of
from tests.faults.world import Ended, World


class Ending:
    """Runs commands after the fault, and collects what is wrong."""

    def __init__(self, world: World, expected: Result, chance: random.Random) -> None:
        self.world, self.expected, self.chance = world, expected, chance
        self.problems: list[str] = []

    def run(self, *arguments: str, code: int, says: str = "") -> Ended:
        """Run a command that must end with a code, and whose output must contain a text."""
        ended = self.world.start(arguments).wait()
        self.problems += problems_of(ended, {code})
        if ended.code != code or says not in ended.out + ended.err:
            text = (ended.err or ended.out).strip()[-600:]
            self.problems.append(f"{ended.command}: ended with {ended.code}, not {code} and {says!r}: {text}")
        return ended

    def stored(self) -> dict[str, set[bytes]]:
        with self.world.store() as store:
            return {feed: set(ids_in(store, feed)) for feed in self.world.feeds}

    def counts(self) -> Counts:
        with self.world.store() as store:
            return sum((row.counts for row in store.ledger()), Counts())

    def same(self) -> None:
        """Check that nothing has changed."""
        self.problems += differences(result_of(self.world), self.expected)


def emptied_log(ending: Ending) -> None:
    """The log is deleted: reported, until it is restored."""
    world = ending.world
    kept = world.folder / "kept"
    kept.mkdir()
    for path in world.data.glob("log.db*"):
        shutil.move(path, kept)
    ending.run("process", code=1, says=str(world.data / "log.db"))
    ending.run("doctor", code=1, says=str(world.data / "log.db"))
    for path in world.data.glob("log.db*"):
        path.unlink()
    for path in kept.iterdir():
        shutil.move(path, world.data)
    ending.run("process", code=0)
    ending.same()


def damaged_batch(ending: Ending) -> None:
    """A batch of the log is altered before it is processed: reported, skipped on request, and counted as lost."""
    before = ending.counts()
    ending.run("ingest", "clicks", "parts/0.clicks.csv", code=0)
    messages = len(ending.world.workload.parts[0]["clicks"])
    alter_last_batch(str(ending.world.data / "log.db"))
    ending.run("process", code=1, says="--skip-damaged")
    ending.run("doctor", "--deep", code=1, says="damaged")
    ending.run("process", "--skip-damaged", code=0)
    after = ending.counts()
    if (after.read, after.lost) != (before.read, before.lost + messages):
        ending.problems.append(f"{messages} messages were damaged; the ledger was {before}, and is {after}")
    if ending.stored() != {feed: set(ids) for feed, ids in ending.expected.ids.items()}:
        ending.problems.append("skipping a damaged batch has changed what is stored")


def alter_last_batch(path: str) -> None:
    """Change a byte in the messages of the newest batch of an embedded log, as a disk would: below its triggers."""
    with closing(sqlite3.connect(path)) as db, db:
        row, messages = db.execute("SELECT rowid, messages FROM batch ORDER BY rowid DESC LIMIT 1").fetchone()
        altered = bytearray(messages)
        altered[len(altered) // 2] ^= 1
        checksums = db.execute("SELECT * FROM checksum").fetchall()
        db.execute("UPDATE batch SET messages = ? WHERE rowid = ?", (bytes(altered), row))
        db.executemany("INSERT OR IGNORE INTO checksum VALUES (?, ?, ?, ?)", checksums)


def rebuilt_without_lost(ending: Ending) -> None:
    """A store is rebuilt after retention: what the log no longer has is lost, the rest is stored once."""
    with ending.world.log() as log:
        topics = [feed.topic for feed in ending.world.feeds.values()]  # those of other runs are in the same Kafka
        removed = sum(log.start_offsets(topics).values())
    if not removed:
        ending.problems.append("the log has removed nothing")
    ending.run("rebuild", code=2, says="--yes")
    ending.run("rebuild", "--yes", code=0)
    counts = ending.counts()
    if counts.lost != removed or not counts.balanced:
        ending.problems.append(f"the log has lost {removed} messages; the ledger of the new store is {counts}")
    for feed, ids in ending.stored().items():
        if extra := ids - set(ending.expected.ids[feed]):
            ending.problems.append(f"{feed}: {len(extra)} events are extra after a rebuild")


def deleted_index(ending: Ending) -> None:
    """An index is deleted: reported by whatever needs it, and a rebuild brings its events back."""
    world = ending.world
    url, prefix = world.pair.http_url, world.settings.elasticsearch.prefix
    found = httpx.get(f"{url}/_cat/indices/{prefix}ad_*index-*", params={"format": "json"}).json()
    deleted = ending.chance.choice(sorted(one["index"] for one in found))
    httpx.delete(f"{url}/{deleted}").raise_for_status()
    ending.run("analyze", "summary", code=1, says=deleted)
    ending.run("doctor", code=1, says=deleted)
    ending.run("process", code=1, says=deleted)
    ending.run("rebuild", code=0)
    ending.run("rebuild", "--drop-old", code=0)
    ending.same()


def deleted_topic(ending: Ending) -> None:
    """A topic is deleted: reported, also when it exists again."""
    world = ending.world
    bootstrap = world.settings.log_url.removeprefix("kafka://")
    topic = world.feeds["clicks"].topic
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.delete_topics([topic])[topic].result(30)
    ending.run("process", code=1, says=topic)
    ending.run("ingest", "clicks", "parts/0.clicks.csv", code=0)
    ending.run("process", code=1, says=topic)
    ending.run("doctor", code=1, says=topic)
    ending.run("rebuild", "--yes", code=0)
    for feed, ids in ending.stored().items():
        if extra := ids - set(ending.expected.ids[feed]):
            ending.problems.append(f"{feed}: {len(extra)} events are extra after a rebuild")


#: By pair, and by whether the log has removed what was processed.
_ENDINGS: dict[tuple[str, bool], list[Callable[[Ending], None]]] = {
    ("embedded", False): [emptied_log, damaged_batch],
    ("embedded", True): [emptied_log, damaged_batch, rebuilt_without_lost],
    ("servers", False): [deleted_index, deleted_topic],
    ("servers", True): [rebuilt_without_lost],
}


def play_ending(world: World, expected: Result, seed: str) -> tuple[str, list[str]]:
    """Play one of the endings; return its name and what was wrong."""
    chance = random.Random(f"ending {seed}")
    chosen = chance.choice(_ENDINGS[world.pair.name, world.workload.retained])
    ending = Ending(world, expected, chance)
    chosen(ending)
    return chosen.__name__.replace("_", " "), [f"{chosen.__name__}: {problem}" for problem in ending.problems]
