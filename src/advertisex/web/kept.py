"""Keeps answers, so that a page that is sorted, downloaded or looked at again does not compute them again.

An answer is kept as long as nothing that it depends on has changed. As soon as a question finds that the store has
moved on, or that a user was erased, all answers about what it was are forgotten. Only the first page may show the
previous answer, while the next one is computed.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import Any, NamedTuple

from advertisex.analysis.answer import Answer
from advertisex.limits import Limit
from advertisex.monitoring.state_store import ALERTS
from advertisex.questions.asking import Question
from advertisex.stores.contract import ERASURES, RESOLUTIONS, EventStore

#: Answers that are computed at the same time; each may take a gigabyte.
_AT_ONCE = 2

MOST_KEPT = Limit(
    32,
    "answers",
    of="the dashboard, kept until the store moves on, and as many of its first page",
    beyond="computed again",
)

MOST_KEPT_ROWS = Limit(20_000, "rows", of="a kept answer", beyond="computed whenever it is asked for")

#: An answer that took so many seconds may be shown while the next one is computed, until it is so many seconds old.
_SLOW_SECONDS, _BEHIND_SECONDS = 0.5, 600.0
#: Seconds to wait until it is known whether the previous answer is still the right one.
_CHECK_SECONDS = 2.0
#: Seconds to wait for an answer at the end.
_CLOSE_SECONDS = 10.0
_LOCKS = 64


class Bound(NamedTuple):
    """A question that can be asked.

    Attributes:
        question: the question.
        beside: the state of what it depends on beside the store and the settings.
    """

    question: Question
    beside: Hashable = None


class State(NamedTuple):
    """What an answer depends on: equal states give equal answers.

    Attributes:
        store: the state of the store, see `state_of`.
        beside: that of everything else.
    """

    store: Hashable
    beside: Hashable = None


@dataclass(frozen=True, slots=True)
class _Shown:
    """The last answer that was shown, how many seconds it took to compute, and when that was."""

    answer: Answer
    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class _Refresh:
    """An answer that a thread finds; `known` is set when it is there, or has to be computed."""

    future: Future[Answer]
    known: Event
    thread: Thread


class Kept:
    """Answers by what was asked, the ones that were used last. Threads may share it."""

    def __init__(self) -> None:
        self._store: Hashable = None  # the state of the store that was seen last
        self._known: OrderedDict[Hashable, tuple[State, Answer]] = OrderedDict()
        self._asking = [Lock() for _ in range(_LOCKS)]
        self._shown: OrderedDict[Hashable, _Shown] = OrderedDict()
        self._refreshing: dict[Hashable, _Refresh] = {}
        self._lock = Lock()
        self._room = BoundedSemaphore(_AT_ONCE)

    def answer(self, asked: Hashable, state: State, compute: Callable[[], Answer]) -> Answer:
        """Return the kept answer, or compute it; several threads that ask the same wait for one of them.

        Args:
            asked: the question and its options.
            state: what the answer depends on, read before it is computed.
            compute: computes it.
        """
        self._see(state)
        with self._asking[hash(asked) % _LOCKS]:
            with self._lock:
                known_state, answer = self._known.get(asked, (None, None))
                if answer is not None and known_state == state:
                    self._known.move_to_end(asked)
                    return answer
                if (refresh := self._refreshing.get(asked)) is not None:
                    refresh.known.set()
            with self._room:
                answer = compute()
            self._keep(asked, state, answer)
        return answer

    def soon(self, asked: Hashable, answer: Callable[[], Answer]) -> tuple[Answer, bool]:
        """Return an answer without waiting long, and whether it is the previous one, while the next is computed.

        Args:
            asked: the question and its options.
            answer: answers it, with `Kept.answer`.
        """
        with self._lock:
            shown = self._shown.get(asked)
        if shown is None or shown.seconds < _SLOW_SECONDS or time.monotonic() - shown.at > _BEHIND_SECONDS:
            return self._answered(asked, answer), False
        refresh = self._refreshed(asked, answer)
        refresh.known.wait(_CHECK_SECONDS)
        return (refresh.future.result(), False) if refresh.future.done() else (shown.answer, True)

    def close(self) -> None:
        """Wait for the answers that are computed in the background: they read the store."""
        with self._lock:
            running = [refresh.thread for refresh in self._refreshing.values()]
        for thread in running:
            thread.join(_CLOSE_SECONDS)

    def _see(self, state: State) -> None:
        """Forget the answers about what the store was."""
        with self._lock:
            if state.store != self._store:
                self._store = state.store
                self._known.clear()

    def _keep(self, asked: Hashable, state: State, answer: Answer) -> None:
        with self._lock:
            is_current = state.store == self._store
            if is_current and sum(table.rows.height for table in answer.tables) <= MOST_KEPT_ROWS:
                self._known[asked] = state, answer
            _cut(self._known)

    def _answered(self, asked: Hashable, answer: Callable[[], Answer]) -> Answer:
        """Answer, and remember it with how long it took; forget the previous one if there is an error."""
        began = time.monotonic()
        with self._lock:
            before = self._shown.get(asked)
        try:
            found = answer()
        except BaseException:
            with self._lock:
                self._shown.pop(asked, None)
            raise
        now = time.monotonic()
        seconds = before.seconds if before is not None and before.answer is found else now - began
        with self._lock:
            self._shown[asked] = _Shown(found, seconds, now)
            self._shown.move_to_end(asked)
            _cut(self._shown)
        return found

    def _refreshed(self, asked: Hashable, answer: Callable[[], Answer]) -> _Refresh:
        """The answer that a thread finds; one thread for all that wait for the same."""

        def run() -> None:
            try:
                refresh.future.set_result(self._answered(asked, answer))
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                refresh.future.set_exception(error)
            finally:
                with self._lock:
                    del self._refreshing[asked]
                refresh.known.set()

        with self._lock:
            if (running := self._refreshing.get(asked)) is not None:
                return running
            refresh = _Refresh(Future(), Event(), Thread(target=run, name="kept answer", daemon=True))
            refresh.thread.start()  # waits for the lock at its end
            self._refreshing[asked] = refresh
        return refresh


def _cut(kept: OrderedDict[Hashable, Any]) -> None:
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)


def state_of(store: EventStore) -> Hashable:
    """What the answers to questions about a store depend on; equal states give equal answers."""
    return (
        store.rebuilt_at(),
        store.kept_since(),
        store.settled(),
        tuple(map(repr, store.ledger())),
        tuple(store.catalogue_imports()),
        *(tuple(sorted(store.notes(kind).items())) for kind in (ALERTS, ERASURES, RESOLUTIONS)),
    )
