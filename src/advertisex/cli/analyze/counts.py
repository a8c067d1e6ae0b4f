"""The summary and correlation questions, and how their answers are printed."""

from typing import Annotated

import typer

from advertisex.analysis.answer import Answer
from advertisex.analysis.correlation import correlate, correlate_by_day
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise, summarise_by_day
from advertisex.cli.analyze.asking import Question
from advertisex.cli.analyze.choices import optional
from advertisex.cli.analyze.showing import print_about, print_rows, within
from advertisex.cli.output import out, print_table
from advertisex.stores.contract import EventStore

ByDay = Annotated[str | None, typer.Option("--by", metavar="KEY", help="Group by: day.")]


def summary(by: ByDay = None) -> Question:
    """Number of events, users and campaigns, total value, and time range."""
    return summarise_by_day if optional(by, ("day",), "--by") else _summary


def correlation(by: ByDay = None) -> Question:
    """Correlation of clicks and conversions per user."""
    return correlate_by_day if optional(by, ("day",), "--by") else _correlation


def _summary(store: EventStore, scope: Scope) -> Answer:
    return summarise(store, scope).answer()


def _correlation(store: EventStore, scope: Scope) -> Answer:
    return correlate(store, scope).answer()


def show_summary(answer: Answer) -> None:
    """Print the summary, below the data that it was computed from."""
    print_about(answer)
    out.print()
    print_summary(answer)


def show_correlation(answer: Answer) -> None:
    """Print the correlation, below the data that it was computed from."""
    print_about(answer)
    out.print()
    print_correlation(answer)


def print_summary(answer: Answer) -> None:
    """Print the summary."""
    facts = answer.facts
    rows = [*facts["counts"].items(), ("users", facts["users"]), ("campaigns", facts["campaigns"])]
    rows += [(f"value {currency}".strip(), value) for currency, value in facts["value"].items()]
    rows += [("first event", facts["first_event"]), ("last event", facts["last_event"])]
    print_table("Summary" + within(answer.scope), ("measure", "count"), rows, numbers=["count"])
    _print_days(answer)


def print_correlation(answer: Answer) -> None:
    """Print the correlation."""
    facts = answer.facts
    names = ("sum", "mean", "median", "std_deviation", "std_deviation_sampling")
    rows = [(kind, *(facts[kind][name] for name in names)) for kind in ("clicks", "conversions")]
    title = f"Clicks and conversions of {facts['users']:,} users" + within(answer.scope)
    print_table(title, ("per user", *names), rows, numbers=names)
    out.print()
    pearson, spearman = facts["pearson"], facts["spearman"]
    measures = [
        ("clicks per conversion", facts["clicks_per_conversion"], None),
        ("Pearson r", pearson["r"], pearson["p"]),
        ("Spearman rho", spearman["rho"], spearman["p"]),
    ]
    print_table("Correlation", ("measure", "value", "p"), measures, numbers=["value", "p"])
    _print_days(answer)


def _print_days(answer: Answer) -> None:
    """Print the table by day; the other tables repeat what has been printed."""
    for table in answer.tables:
        if table.name == "days":
            out.print()
            print_rows(table)
