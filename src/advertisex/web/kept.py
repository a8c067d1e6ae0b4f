"""Keeps answers, so that a page that is sorted, downloaded or looked at again does not compute them again.

An answer is right as long as nothing that it depends on has changed. The first page may also show the one before, for
as long as computing it takes.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import NamedTuple

from advertisex.analysis.answer import Answer
from advertisex.limits import Limit
from advertisex.monitoring.state_store import ALERTS
from advertisex.questions.asking import Question
from advertisex.stores.contract import RESOLUTIONS, EventStore

#: Answers that are computed at the same time; each may take a gigabyte.
_AT_ONCE = 2

MOST_KEPT = Limit(32, "answers", of="the dashboard, kept until the store moves on", beyond="computed again")

MOST_KEPT_ROWS = Limit(20_000, "rows", of="a kept answer", beyond="computed whenever it is asked for")

#: An answer that takes at least so long may be shown while the next one is computed, at most so many seconds later.
_SLOW, _BEHIND_SECONDS = 0.5, 60.0
#: Seconds to wait until it is known whether the answer before is still the right one.
_CHECK_SECONDS = 2.0
_LOCKS = 64


class Bound(NamedTuple):
    """A question that can be asked.

    Attributes:
        question: the question.
        beside: the state of what it depends on beside the store and the settings.
    """

    question: Question
    beside: Hashable = None


@dataclass(frozen=True, slots=True)
class _Refresh:
    """An answer that a thread finds; `known` is set when it is there, or has to be computed."""

    future: Future[Answer]
    known: Event


@dataclass(frozen=True, slots=True)
class _Known:
    state: Hashable
    answer: Answer
    seconds: float
    computed_at: float


class Kept:
    """Answers by what was asked, the ones that were used last. Threads may share it."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, _Known] = OrderedDict()
        self._computing = [Lock() for _ in range(_LOCKS)]
        self._refreshing: dict[Hashable, _Refresh] = {}
        self._lock = Lock()
        self._room = BoundedSemaphore(_AT_ONCE)

    def answer(self, asked: Hashable, state: Hashable, compute: Callable[[], Answer]) -> Answer:
        """Return the kept answer, or compute it; several threads that ask the same wait for one of them.

        Args:
            asked: the question and its options.
            state: what the answer depends on, read before it is computed.
            compute: computes it.
        """
        with self._computing[hash(asked) % _LOCKS]:
            known = self._get(asked)
            if known is not None and known.state == state:
                return known.answer
            self._say_that_it_is_computed(asked)
            with self._room:
                started = time.monotonic()
                answer = compute()
            now = time.monotonic()
            self._keep(asked, _Known(state, answer, now - started, now))
        return answer

    def soon(self, asked: Hashable, answer: Callable[[], Answer]) -> tuple[Answer, bool]:
        """Return an answer without waiting long, and whether it is the one before, while the next is computed.

        Args:
            asked: the question and its options.
            answer: answers it, with `Kept.answer`.
        """
        known = self._get(asked)
        if known is None or known.seconds < _SLOW or time.monotonic() - known.computed_at > _BEHIND_SECONDS:
            return answer(), False
        refresh = self._refreshed(asked, answer)
        refresh.known.wait(_CHECK_SECONDS)
        return (refresh.future.result(), False) if refresh.future.done() else (known.answer, True)

    def _refreshed(self, asked: Hashable, answer: Callable[[], Answer]) -> _Refresh:
        """The answer that a thread finds; one thread for all that wait for the same."""
        with self._lock:
            if (running := self._refreshing.get(asked)) is not None:
                return running
            refresh = self._refreshing[asked] = _Refresh(Future(), Event())

        def run() -> None:
            try:
                refresh.future.set_result(answer())
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                refresh.future.set_exception(error)
            finally:
                refresh.known.set()
                with self._lock:
                    del self._refreshing[asked]

        Thread(target=run, name="kept answer", daemon=True).start()
        return refresh

    def _say_that_it_is_computed(self, asked: Hashable) -> None:
        with self._lock:
            refresh = self._refreshing.get(asked)
        if refresh is not None:
            refresh.known.set()

    def _get(self, asked: Hashable) -> _Known | None:
        with self._lock:
            known = self._known.get(asked)
            if known is not None:
                self._known.move_to_end(asked)
            return known

    def _keep(self, asked: Hashable, known: _Known) -> None:
        with self._lock:
            self._known.pop(asked, None)
            if sum(table.rows.height for table in known.answer.tables) <= MOST_KEPT_ROWS:
                self._known[asked] = known
            while len(self._known) > MOST_KEPT:
                self._known.popitem(last=False)


def state_of(store: EventStore) -> Hashable:
    """What the answers to questions about a store depend on; equal states give equal answers."""
    return (
        store.rebuilt_at(),
        store.kept_since(),
        store.settled(),
        tuple(map(repr, store.ledger())),
        tuple(store.catalogue_imports()),
        *(tuple(sorted(store.notes(kind).items())) for kind in (ALERTS, RESOLUTIONS)),
    )
