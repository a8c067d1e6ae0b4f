"""The readings beside the questions, by their addresses in the API."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from advertisex.inspection.alerts import alerts
from advertisex.inspection.anomalies import anomalies
from advertisex.inspection.catalogue import catalogue, imports, unknown
from advertisex.inspection.definitions import definitions
from advertisex.inspection.doctor import doctor
from advertisex.inspection.erasures import erasures
from advertisex.inspection.filters import ListOptions
from advertisex.inspection.ledger import history, ledger
from advertisex.inspection.reading import Tables
from advertisex.inspection.rejects import Listed, listed
from advertisex.inspection.settings import settings
from advertisex.inspection.sources import sources
from advertisex.questions.option import Parameter, parameters_of
from advertisex.web.query import options_from
from advertisex.web.site import Site


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A reading of the API.

    Attributes:
        path: its address, below that of the API.
        read: reads it, with its options.
        options: what has these options, annotated.
        summary: what it is, in a sentence.
        command: the command that prints its document; empty if there is none.
    """

    path: str
    read: Callable[..., Tables]
    options: Callable[..., Any]
    summary: str
    command: str = ""

    @property
    def parameters(self) -> list[Parameter]:
        """The options."""
        return parameters_of(self.options)

    def found(self, site: Site, query: Iterable[tuple[str, str]]) -> Tables:
        """Read it with the options of a query string.

        Raises:
            ConfigurationError: an option is invalid.
            AdvertiseXError: it cannot be read.
        """
        return self.read(site, **options_from(query, self.parameters))


def _rejects(site: Site, **options: Any) -> Listed:
    query = ListOptions(**options).query()
    with site.store() as store:
        return listed(store, query)


def _of(path: str, read: Callable[..., Tables], command: str = "") -> Endpoint:
    return Endpoint(path, read, read, str(read.__doc__), command)


#: The list of rejects; its document is written while it is read.
REJECTS = Endpoint("rejects/list", _rejects, ListOptions, "Rejects: counted by feed, reason and hour, then row by row.")

#: All others, by address.
READINGS = {
    one.path: one
    for one in (
        _of("ledger", ledger, "ledger"),
        _of("ledger/history", history),
        _of("sources", sources, "sources"),
        _of("alerts/list", alerts, "alerts list"),
        _of("anomalies", anomalies, "anomalies"),
        _of("erasures", erasures, "erasures"),
        _of("catalogue/show", catalogue, "catalogue show"),
        _of("catalogue/history", imports, "catalogue history"),
        _of("catalogue/unknown", unknown),
        _of("doctor", doctor, "doctor"),
        _of("settings", settings),
        _of("definitions", definitions),
    )
}
