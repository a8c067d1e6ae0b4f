"""Asks a question, as its options and the settings say."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from advertisex.analysis.answer import Answer
from advertisex.analysis.networks import read_networks
from advertisex.analysis.scope import Scope
from advertisex.analysis.views import asking as views
from advertisex.questions.selection import Selection
from advertisex.settings.analysis import AnalysisSettings
from advertisex.stores.contract import EventStore

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
        return views.ask(
            self.question,
            store,
            self.scope.settled(store),
            conversion=self.conversion,
            valid_only=self.valid_only,
            data_centres=self.data_centres,
        )


def _data_centres(settings: AnalysisSettings) -> views.DataCentres | None:
    if settings.data_centres is None:
        return None
    return views.DataCentres(read_networks(settings.data_centres), settings.ip_field)
