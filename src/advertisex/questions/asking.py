"""Asks a question, as its options and the settings say."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from advertisex.analysis.answer import Answer
from advertisex.analysis.networks import read_networks
from advertisex.analysis.scope import Scope
from advertisex.analysis.views import asking as views
from advertisex.questions.selection import Selection
from advertisex.settings.analysis import AnalysisSettings
from advertisex.stores.contract import ERASURES, EventStore

#: A question with its own options applied; it takes the store and the scope.
Question = Callable[[EventStore, Scope], Answer]


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A question with its options, ready to be asked.

    Attributes:
        question: the question.
        scope: what it is about.
        conversion: converts all amounts to one currency.
        valid_only: leave out invalid traffic.
        data_centres: traffic from these networks is invalid.
    """

    question: Question
    scope: Scope
    conversion: views.Conversion | None
    valid_only: bool
    data_centres: views.DataCentres | None

    @classmethod
    def of(
        cls, question: Question, selection: Selection, settings: AnalysisSettings, rates: Path | None = None
    ) -> "Inquiry":
        """Read what the options and the settings name.

        Raises:
            ConfigurationError: an option is invalid, or a file cannot be read.
        """
        return cls(
            question,
            selection.scope(settings.zone),
            selection.conversion(settings, rates),
            selection.valid_only,
            _data_centres(settings),
        )

    def answer(self, store: EventStore) -> Answer:
        """Answer it, as of the last commit at the latest.

        Raises:
            ConfigurationError: the store does not have a field, or the scope is invalid.
            AdvertiseXError: the question cannot be answered.
        """
        answer = views.ask(
            self.question,
            store,
            self.scope.settled(store),
            conversion=self.conversion,
            valid_only=self.valid_only,
            data_centres=self.data_centres,
        )
        return replace(answer, notes=[*answer.notes, *_erased_since(store, self.scope.as_of)])


def _erased_since(store: EventStore, as_of: datetime | None) -> list[str]:
    """Say whether an answer as of a time has changed, since the events of erased users are missing."""
    if as_of is None:
        return []
    from advertisex.privacy.record import runs_in  # noqa: PLC0415 - its package is slow to import

    after = as_of.replace(tzinfo=UTC)
    runs = [run for run in runs_in(store.notes(ERASURES)) if (run.done_at or run.asked_at) > after]
    events = sum(removed.events for run in runs for removed in run.removed)
    if not events:
        return []
    what = "1 event was" if events == 1 else f"{events:,} events were"
    return [f"{what} erased after {as_of} UTC: before that, the answer may have been another one."]


def _data_centres(settings: AnalysisSettings) -> views.DataCentres | None:
    if settings.data_centres is None:
        return None
    return views.DataCentres(read_networks(settings.data_centres), settings.ip_field)
