"""The guarantees of an erasure, for every store with the embedded log: the user is gone, and only the user."""

import json
import pkgutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from advertisex.feeds import FEEDS
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.model import TOMBSTONE, Counts
from advertisex.privacy.erasure import erase
from advertisex.privacy.record import ErasureRun, runs_in
from advertisex.processing.policy import Policy
from advertisex.processing.pseudonymise import pseudonym
from advertisex.processing.runner import Processing, process_log
from advertisex.stores.contract import ERASURES, EventStore, Range, RejectQuery
from advertisex.stores.removal import Removal
from tests.budget import examples
from tests.contracts.store_places import STORES, NewPlace

#: The second contains the first; the third is sent as a number, and the fourth is escaped in JSON.
USERS = ("user4711", "user4711b", "8150493", "émile-4711")
POLICY = Policy(blocked_sites=frozenset({"blocked.example.com"}))
KEY = b"a secret of the settings"


@dataclass(frozen=True)
class Message:
    """A message of a user: its feed, its form, and a number that makes it unique."""

    feed: str
    user: str
    form: str
    number: int = 0

    def payload(self) -> bytes:
        fields_: dict[str, Any] = {"timestamp": f"2026-01-05T10:00:0{self.number}Z"}
        fields_ |= {"impressions": {"website": "a.example.com", "creative_id": "c1"}}.get(self.feed, {})
        fields_ |= {"clicks": {"campaign_id": "k1", "conversion_type": "click"}}.get(self.feed, {})
        fields_ |= {"bids": {"amount": 1.25, "auction_id": "a1", "website": "a.example.com"}}.get(self.feed, {})
        if self.form == "invalid":
            fields_["timestamp"] = "yesterday"
        if self.form == "filtered" and "website" in fields_:
            fields_["website"] = "https://blocked.example.com/x"
        user: Any = int(self.user) if self.user.isdigit() else self.user
        text = json.dumps({"user_id": user} | fields_).encode()
        match self.form:
            case "truncated":
                return text[: text.index(b"timestamp")]
            case "not UTF-8":
                return text.replace(b'"user_id": "', b'"user_id": "\xff')
            case "no user":
                return text.replace(b"user_id", b"uzer_id")
        return text


def lists_of_messages(users: Sequence[str] = USERS) -> st.SearchStrategy[list[Message]]:
    forms = st.sampled_from(["good", "good", "good", "filtered", "invalid", "truncated", "not UTF-8", "no user"])
    return st.lists(
        st.builds(Message, st.sampled_from(list(FEEDS)), st.sampled_from(users), forms, st.integers(0, 3)), max_size=12
    )


@pytest.fixture(params=STORES)
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewPlace]:
    with STORES[request.param](request, tmp_path_factory) as new_place:
        yield new_place


class World:
    """A log and a store, and operations on them."""

    def __init__(self, log: SqliteLog, store: EventStore, folder: Path, key: bytes = b"") -> None:
        self.log, self.store, self.folder, self.key = log, store, folder, key

    def append(self, messages: Sequence[Message]) -> None:
        for feed in FEEDS.values():
            self.log.append(feed.topic, [one.payload() for one in messages if one.feed == feed.name])

    def process(self) -> None:
        process_log(self.log, self.store, Processing(FEEDS, POLICY, batch_size=4, pseudonym_key=self.key))

    def erase(self, user: str) -> ErasureRun:
        return erase(user, self.log, self.store, FEEDS, pseudonym_key=self.key)

    def holds(self) -> Counter[Any]:
        """All stored events and rejects, without their positions."""
        held: Counter[Any] = Counter()
        for feed in FEEDS.values():
            for frame in self.store.scan(feed.name, ["event_id", *feed.columns], Range()):
                held.update((feed.name, *row) for row in frame.iter_rows())
        columns = ["feed", "kind", "stage", "reason", "detail", "payload"]
        held.update(self.store.rejects(RejectQuery()).select(columns).iter_rows())
        return held

    def check(self) -> None:
        """Check that the ledger balances, equals the sum of its history, and matches the store."""
        ledger, commits = self.store.ledger(), self.store.commits()
        for row in ledger:
            assert row.counts.balanced
            own = commits.filter((pl.col("topic") == row.topic) & (pl.col("partition") == row.partition))
            sums = own.select(pl.sum(f.name for f in fields(Counts))).row(0, named=True)
            assert Counts(**sums) == row.counts
        assert [f for f in self.store.inspect() if not f.good] == []

    def total(self) -> Counts:
        return sum((row.counts for row in self.store.ledger()), Counts())


@pytest.fixture
def worlds(places: NewPlace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., World]]:
    """worlds(key=b""): a new log and store."""
    opened: list[Any] = []

    def make(key: bytes = b"") -> World:
        folder, place = tmp_path_factory.mktemp("world"), places()
        log, store = SqliteLog(folder / "log.db"), place.open()
        opened.extend((log, store))
        at = Path(place.url.removeprefix("duckdb:///")) if place.url.startswith("duckdb") else folder / "log.db"
        return World(log, store, at.parent, key)

    yield make
    for one in opened:
        one.close()


def bytes_of(world: World) -> bytes:
    """The bytes of all files of a world."""
    files = [*world.folder.iterdir(), *world.log._path.parent.iterdir()]
    return b"".join(file.read_bytes() for file in files if file.is_file())


def without(messages: Sequence[Message], user: str) -> list[Message]:
    return [one for one in messages if one.user != user]


class Crash(Exception):
    """Ends the process."""


#: The steps of `remove`, in either store.
STEPS = (
    "duckdb.store.copy_live_rows",
    "duckdb.store.replace",
    "elasticsearch.ledger.Ledger.move_counts",
    "elasticsearch.erasure.delete_documents",
    "elasticsearch.erasure.Eraser._expunge",
)


class Crashing:
    """A log or a store that crashes before the nth write, where each step of `remove` counts as one."""

    def __init__(self, behind: Any, calls: Iterator[int], at: int) -> None:
        self._behind, self._calls, self._at = behind, calls, at

    def __getattr__(self, name: str) -> Any:
        if name in {"suppress", "take_note", "remove", "erase"}:
            self._count()
        return self._remove if name == "remove" else getattr(self._behind, name)

    def _count(self) -> None:
        if next(self._calls) == self._at:
            raise Crash

    def _remove(self, removal: Removal) -> pl.DataFrame:
        with pytest.MonkeyPatch.context() as patched:
            for step in STEPS:
                place, _, name = f"advertisex.stores.{step}".rpartition(".")
                patched.setattr(f"{place}.{name}", self._counted(pkgutil.resolve_name(f"{place}.{name}")))
            removed: pl.DataFrame = self._behind.remove(removal)
        return removed

    def _counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            self._count()
            return step(*given, **named)

        return counted


def check_the_record(world: World, user: str, messages: Sequence[Message]) -> None:
    """The record of an erasure matches the ledger history, and the number of the user's messages."""
    runs = runs_in(world.store.notes(ERASURES))
    recorded: Counter[Any] = Counter()
    for one in (one for made in runs for one in made.removed):
        kinds = {"stored": one.events, "filtered": one.filtered, "rejected": one.rejected, "messages": one.messages}
        recorded.update({(one.feed, kind): count for kind, count in kinds.items()})
    history: Counter[Any] = Counter((one.feed, "messages") for one in messages if one.user == user)
    for row in world.store.commits().filter(pl.col("start") == pl.col("end")).iter_rows(named=True):
        history.update({(row["feed"], kind): -row[kind] for kind in ("stored", "filtered", "rejected")})
    assert +recorded == +history
    assert all(made.done_at for made in runs)


# -- all guarantees -----------------------------------------------------------------------------------------------


#: A bit of everything, for stores with few examples: hypothesis always starts with the simplest one.
RICH = [
    *(Message("impressions", USERS[0], form) for form in ("good", "filtered", "invalid", "not UTF-8")),
    *(Message("clicks", user, "good") for user in USERS[:2]),
    *(Message("bids", user, "no user") for user in USERS[:2]),
]


def test_a_user_is_gone_permanently_and_nobody_else_is_touched(
    worlds: Callable[..., World], request: pytest.FixtureRequest
) -> None:
    @settings(
        max_examples=2 if "elasticsearch" in request.node.name else examples(10),  # each takes two seconds
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking would take minutes
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(
        lists_of_messages(),
        lists_of_messages(),
        st.sampled_from(USERS),
        st.booleans(),
        st.none() | st.integers(0, 12),
        st.booleans(),
    )
    @example(RICH, RICH[3:5], USERS[0], True, 4, True)
    def guaranteed(
        before: list[Message], after: list[Message], user: str, processed: bool, crash: int | None, pseudonyms: bool
    ) -> None:
        check_erasure(worlds, before, after, user, processed, crash, pseudonyms)

    guaranteed()


def check_erasure(
    worlds: Callable[..., World],
    before: list[Message],
    after: list[Message],
    user: str,
    processed: bool,
    crash: int | None,
    pseudonyms: bool,
) -> None:
    key = KEY if pseudonyms else b""
    world, other = worlds(key), worlds(key)
    world.append(before)
    if processed:
        world.process()
    world.append(after)

    if crash is not None:
        calls = iter(range(1000))
        try:
            erase(
                user, Crashing(world.log, calls, crash), Crashing(world.store, calls, crash), FEEDS, pseudonym_key=key
            )
        except Crash:
            world.process()
    world.erase(user)
    world.check()
    check_the_record(world, user, [*before, *after])
    gone = world.log.read(FEEDS["clicks"].topic, 0, 0, 1000).payloads
    assert gone.count(TOMBSTONE) == sum(one.feed == "clicks" and one.user == user for one in (*before, *after))
    written = {user.encode(), json.dumps(user)[1:-1].encode(), pseudonym(user, KEY).encode()}
    held = bytes_of(world).replace(b"user4711b", b"") if user == "user4711" else bytes_of(world)
    assert [word for word in written if word in held] == []

    world.process()
    world.append(before)  # the same messages again
    world.process()
    other.append(without([*before, *after, *before], user))
    other.process()

    assert world.holds() == other.holds()
    world.check()
    others, ours = other.total(), world.total()
    assert ours.read == 2 * len(before) + len(after)
    assert (ours.stored, ours.filtered, ours.rejected) == (others.stored, others.filtered, others.rejected)
    assert user not in str(runs_in(world.store.notes(ERASURES)))
    assert [word for word in written if any(word in note for note in world.store.notes(ERASURES).values())] == []


# -- crashes -----------------------------------------------------------------------------------------------------


def good(user: str, *numbers: int) -> list[Message]:
    return [Message("clicks", user, "good", number) for number in numbers]


def test_what_was_removed_is_recorded_wherever_the_erasure_crashed(worlds: Callable[..., World]) -> None:
    world, whose = worlds(), [f"{USERS[0]}-{number}" for number in range(20)]
    for user in whose:
        other = [Message("impressions", user, "filtered"), Message("impressions", user, "invalid")]
        world.append([*good(user, 0, 0, 1), *other])
    process_log(world.log, world.store, Processing(FEEDS, POLICY))
    for at, user in enumerate(whose):
        calls, crashed = count(), False
        try:
            done = erase(user, Crashing(world.log, calls, at), Crashing(world.store, calls, at), FEEDS)
        except Crash:
            crashed, done = True, world.erase(user)
        impressions, clicks, _ = done.removed
        assert (at, clicks.events, clicks.messages) == (at, 2, 3)
        assert (at, impressions.filtered, impressions.rejected, impressions.messages) == (at, 1, 1, 2)
        if not crashed:
            break
    assert not crashed
    assert at > 8
    world.check()
