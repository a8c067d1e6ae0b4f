"""Answers are kept as long as nothing that they depend on has changed."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event, Thread

import polars as pl
import pytest

from advertisex.analysis.answer import Answer
from advertisex.analysis.summary import summarise
from advertisex.logs.open import open_log
from advertisex.simulator.market import CURRENCIES
from advertisex.stores.contract import EventStore
from advertisex.stores.open import open_store
from advertisex.web import kept
from advertisex.web.answers import ASKED
from advertisex.web.kept import Kept, State
from advertisex.web.site import Site


@pytest.fixture(scope="module")
def answer(site: Site) -> Answer:
    with site.store() as store:
        return summarise(store)


@pytest.fixture
def copied(site: Site, tmp_path: Path) -> tuple[Site, Callable[[], EventStore]]:
    """A site of its own, and a function that opens its store for writing."""
    path = shutil.copy(site.settings.store_url.removeprefix("duckdb:///"), tmp_path / "store.duckdb")
    url = f"duckdb:///{path}"
    return replace(site, store=partial(open_store, url, read_only=True), kept=Kept()), partial(open_store, url)


def test_an_answer_is_kept_until_the_store_changes(copied: tuple[Site, Callable[[], EventStore]]) -> None:
    site, writable = copied
    question = ASKED["performance"]
    first = question.answer(site, [("by", "campaign_id")])

    assert question.answer(site, [("by", "campaign_id")]) is first
    assert question.answer(site, [("by", "website")]) is not first
    models = [[("model", name) for name in order] for order in (("linear", "last"), ("last", "linear"))]
    assert len({tuple(ASKED["attribution"].answer(site, query).parameters["models"]) for query in models}) == 2
    assert ASKED["funnel"].answer(site, [("by", "campaign_id")]).question == "funnel"
    with writable() as store:
        store.import_catalogue(store.catalogue().head(1))
    assert question.answer(site, [("by", "campaign_id")]) is not first


def test_an_answer_depends_on_the_files_of_the_settings(site: Site, tmp_path: Path) -> None:
    rates = tmp_path / "rates.csv"
    lines = [f"2026-01-{day:02},{code},USD,1" for day in range(1, 31) for code in {*CURRENCIES, "EUR", "GBP"} - {"USD"}]
    rates.write_text("\n".join(["date,from,to,rate", *lines]))
    analysis = site.settings.analysis.model_copy(update={"rates": rates})
    site = replace(site, settings=site.settings.model_copy(update={"analysis": analysis}), kept=Kept())
    query = [("currency", "USD")]
    first = ASKED["performance"].answer(site, query)
    assert ASKED["performance"].answer(site, query) is first

    rates.write_text("\n".join(["date,from,to,rate", *(f"{line}.25" for line in lines)]))
    assert ASKED["performance"].answer(site, query).to_json() != first.to_json()


def test_the_first_page_depends_on_the_log(site: Site, tmp_path: Path) -> None:
    site = replace(site, kept=Kept())
    first = ASKED["overview"].answer(site, [])
    assert ASKED["overview"].answer(site, []) is first
    without_log = replace(site, log=partial(open_log, f"sqlite:///{tmp_path / 'absent'}", create=False))
    answer = ASKED["overview"].answer(without_log, [])
    assert answer.facts["lag"] is None
    assert answer.notes[0].startswith("The event log is missing")


def test_what_is_asked_at_the_same_time_is_computed_once(answer: Answer) -> None:
    answers, computed, found = Kept(), [], []
    is_computing, go_on = Event(), Event()

    def compute() -> Answer:
        computed.append(1)
        is_computing.set()
        assert go_on.wait(30)
        return answer

    threads = [Thread(target=lambda: found.append(answers.answer("q", State(1), compute))) for _ in range(4)]
    threads[0].start()
    assert is_computing.wait(30)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert (len(computed), found) == (1, [answer] * 4)


def test_the_answer_before_is_shown_while_a_slow_one_is_computed(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_SLOW_SECONDS", 0.0)
    answers, go_on, old = Kept(), Event(), replace(answer, question="old")
    assert answers.soon("q", lambda: answers.answer("q", State(1), lambda: old)) == (old, False)

    def slow() -> Answer:
        assert go_on.wait(30)
        return answer

    for _ in range(3):
        assert answers.soon("q", lambda: answers.answer("q", State(2), slow)) == (old, True)
    go_on.set()
    assert answers.answer("q", State(2), slow) is answer
    assert answers.soon("q", lambda: answers.answer("q", State(2), slow))[0] is answer

    answers.close()
    monkeypatch.setattr(kept, "_BEHIND_SECONDS", 0.0)
    assert answers.soon("q", lambda: answers.answer("q", State(3), lambda: old)) == (old, False)


def test_after_an_error_the_previous_answer_is_not_shown_again(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_SLOW_SECONDS", 0.0)
    answers = Kept()
    assert answers.soon("q", lambda: answer) == (answer, False)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            answers.soon("q", lambda: 1 / 0)  # type: ignore[arg-type, return-value]


def test_an_answer_about_an_earlier_store_is_not_kept(answer: Answer) -> None:
    answers = Kept()

    def slow() -> Answer:
        answers.answer("b", State(2), lambda: answer)
        return replace(answer)

    answers.answer("a", State(1), slow)
    assert answers.answer("b", State(2), lambda: replace(answer)) is answer


def test_what_the_store_was_is_forgotten_when_it_moves_on(answer: Answer) -> None:
    answers = Kept()
    answers.answer("a", State(1), lambda: answer)
    answers.answer("b", State(2), lambda: answer)
    assert answers.answer("a", State(1), lambda: replace(answer)) is not answer
    answers.answer("c", State(1, "log"), lambda: answer)
    assert answers.answer("c", State(1, "log"), lambda: replace(answer)) is answer
    assert answers.answer("c", State(1, "more"), lambda: replace(answer)) is not answer


def test_an_error_is_raised_and_not_kept(answer: Answer) -> None:
    answers = Kept()
    with pytest.raises(ZeroDivisionError):
        answers.answer("q", State(1), lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    assert answers.answer("q", State(1), lambda: answer) is answer


def test_few_answers_are_kept_and_none_with_many_rows(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_KEPT", 2)
    answers = Kept()

    def is_kept(name: str) -> bool:
        return answers.answer(name, State(1), lambda: replace(answer)) is answers.answer(
            name, State(1), lambda: replace(answer)
        )

    assert all(map(is_kept, "abc"))
    known = answers.answer("b", State(1), lambda: answer)
    assert answers.answer("a", State(1), lambda: answer) is answer  # "a" was computed again, since "b" was used later
    assert answers.answer("b", State(1), lambda: answer) is known
    table = replace(answer.tables[0], rows=pl.DataFrame({"n": range(kept.MOST_KEPT_ROWS + 1)}))
    large = replace(answer, tables=[table])
    assert answers.answer("large", State(1), lambda: large) is not answers.answer(
        "large", State(1), lambda: replace(large)
    )
