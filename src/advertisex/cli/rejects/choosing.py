"""Which rejects a command that writes is about."""

from typing import Annotated

import typer

from advertisex.errors import ConfigurationError
from advertisex.inspection.filters import RejectFilters, query_of_ids
from advertisex.stores.contract import RejectQuery

IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Reject ids, topic/partition/offset, as `list` shows them.")
]


def selected(filters: RejectFilters, ids: list[str] | None, *, all_: bool) -> RejectQuery:
    """Return the query of a command that writes: it takes IDs, filters or --all.

    Raises:
        ConfigurationError: an option is invalid, there is none of them, or one besides others.
    """
    query = filters.query()
    if ids:
        if query != RejectQuery():
            raise ConfigurationError("IDs and filter options cannot be combined", hint="give one or the other")
        query = query_of_ids(ids)
    if (query == RejectQuery()) != all_:
        raise ConfigurationError(
            "--all cannot be combined with IDs or filters" if all_ else "no rejects selected",
            hint="give IDs, filters (--reason, --feed, --kind, --since, --until) or --all",
        )
    return query
