"""The question about a partner's report, which is uploaded before it is asked."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any

from advertisex.errors import SourceError
from advertisex.limits import Limit
from advertisex.questions.option import Option, parameters_of
from advertisex.questions.reading import file_options
from advertisex.questions.reconcile import Terms, reconciliation, report_of, settings_to_keep
from advertisex.stores.contract import RejectQuery
from advertisex.web.kept import Bound
from advertisex.web.query import options_from
from advertisex.web.site import Site, ends_of, log_of

#: Whatever an archive unpacks to: two questions are answered at a time, and the others wait.
MOST_UPLOADED_ROWS = Limit(1_000_000, "rows", of="an uploaded report", beyond="an error of the report")

SUMMARY = "Compare a partner's report with our numbers by campaign and day, and explain the gaps."


def _report(report: Annotated[str, Option(metavar="ID", help="The partner's report: the id of an upload.")]) -> str:
    return report


_GROUPS: tuple[Any, ...] = (_report, Terms, file_options)

#: Its own options.
PARAMETERS = tuple(one for group in _GROUPS for one in parameters_of(group))


def to_keep(query: Iterable[tuple[str, str]]) -> str:
    """The options of a query string that say how a report is read, as settings; empty if there are none.

    Raises:
        ConfigurationError: an option is invalid.
    """
    names = {one.public_name for one in PARAMETERS}
    own = options_from([pair for pair in query if pair[0] in names], PARAMETERS)
    _, terms, options = _grouped(own)
    return settings_to_keep(terms, options)


def _grouped(own: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(group(**{one.name: own[one.name] for one in parameters_of(group)}) for group in _GROUPS)


@contextmanager
def bound(site: Site, own: dict[str, Any]) -> Iterator[Bound]:
    """Read the report, and bind the question to it and to the log.

    Raises:
        ConfigurationError: an option is invalid.
        SourceError: the report cannot be read.
    """
    report, terms, options = _grouped(own)
    path = site.uploads.path_of(report)
    try:
        found = replace(report_of(path, terms, options, site.settings, most_rows=MOST_UPLOADED_ROWS), name=path.name)
    except SourceError as error:  # says nothing of where the server keeps the file
        raise SourceError(error.what, where=error.where.removeprefix(f"{path.parent}/"), hint=error.hint) from error
    with site.store() as store:  # read before the ends of the log: a replay appends before it marks
        marked = int(store.reject_counts(RejectQuery(replayed=True))["count"].sum())
    with log_of(site) as log:
        yield Bound(
            reconciliation(found, terms, site.settings, log), (marked, path.stat().st_mtime_ns, ends_of(site, log))
        )
