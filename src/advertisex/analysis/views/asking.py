"""Asks a question about a view of a store, and says in the answer what the view is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import polars.selectors as cs

from advertisex.analysis.answer import Answer, Table
from advertisex.analysis.networks import Networks
from advertisex.analysis.scope import Scope
from advertisex.analysis.views.converted import Converted
from advertisex.analysis.views.located import Located
from advertisex.analysis.views.rates import Rates
from advertisex.analysis.views.valid_only import ValidOnly
from advertisex.stores.contract import EventStore

_GROSS = "_gross"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion of all amounts to one currency.

    Attributes:
        currency: the currency.
        rates: the exchange rates.
        of: where the rates are from, for the answer.
    """

    currency: str
    rates: Rates
    of: str


@dataclass(frozen=True, slots=True)
class DataCentres:
    """Networks of data centres, and where the IP addresses of events are.

    Attributes:
        networks: the networks.
        field: the own field of impressions, clicks or both that has the address.
    """

    networks: Networks
    field: str = "ip"


def ask(
    question: Callable[[EventStore, Scope], Answer],
    store: EventStore,
    scope: Scope = Scope(),
    *,
    conversion: Conversion | None = None,
    valid_only: bool = False,
    data_centres: DataCentres | None = None,
) -> Answer:
    """Ask a question about a view of a store.

    Args:
        question: takes a store and a scope.
        store: the event store.
        scope: the scope.
        conversion: converts all amounts to one currency.
        valid_only: leave out invalid traffic, and give the gross numbers beside the valid ones.
        data_centres: traffic from these networks is invalid. Impressions and clicks with an address also have the text
            field `ip_kind`: `data_centre`, `other` or `invalid`.

    Returns:
        The answer. Its parameters name the currency, the rates, and how many events were left out. With `valid_only`,
        the fact `gross` has the facts with invalid traffic, and the counts and amounts of the first table have
        columns with the suffix `_gross` beside them.

    Raises:
        ConfigurationError: what the question raises, or the scope is invalid.
        AnalysisError: what the question raises, or an exchange rate is missing.
    """
    view: Any = store
    parameters: dict[str, Any] = {}
    if data_centres is not None:
        networks = data_centres.networks
        view = Located(view, networks, data_centres.field)
        parameters = {"data_centres": {"list": networks.of, "networks": networks.listed, "field": data_centres.field}}
    if conversion is not None:
        view = Converted(view, conversion.rates, conversion.currency, scope.zone)
        parameters |= {"currency": conversion.currency, "rates": conversion.of}
    if not valid_only:
        answer = question(view, scope)
        return replace(answer, parameters={**answer.parameters, **parameters})
    valid = ValidOnly(view, scope)
    answer, gross = (question(each, scope) for each in (valid, view))
    left_out = {"left_out": valid.left_out}
    return replace(
        answer,
        parameters={**answer.parameters, **parameters, **left_out},
        facts={**answer.facts, "gross": gross.facts},
        tables=[_beside(answer.tables[0], gross.tables[0]), *answer.tables[1:]] if answer.tables else [],
    )


def _beside(valid: Table, gross: Table) -> Table:
    """Put the counts and amounts with invalid traffic beside those without, row by row.

    A row that only invalid traffic has is left out, as it is without this.
    """
    keys = list(gross.named_by)
    numbers = gross.rows.select(*keys, (cs.integer() | cs.decimal()) - cs.by_name(keys))
    renamed = numbers.rename({name: name + _GROSS for name in numbers.columns if name not in keys})
    if set(keys) - set(valid.rows.columns):
        return valid
    rows = valid.rows.join(renamed, on=keys, how="left", nulls_equal=True, maintain_order="left", validate="m:1")
    quantities = (*valid.quantities, *(name + _GROSS for name in valid.quantities))
    return replace(valid, rows=rows, keys=tuple(keys), quantities=quantities)
