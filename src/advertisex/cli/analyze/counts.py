"""The two questions of the original case study, and how their answers are printed."""

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

ByDay = Annotated[str | None, typer.Option("--by", metavar="KEY", help="A row for each: day.")]


def summary(by: ByDay = None) -> Question:
    """How much is stored, of how many users, from when to when."""
    return summarise_by_day if optional(by, ("day",), "--by") else _summary


def correlation(by: ByDay = None) -> Question:
    """How the clicks and the conversions of users relate."""
    return correlate_by_day if optional(by, ("day",), "--by") else _correlation


def _summary(store: EventStore, scope: Scope) -> Answer:
    return summarise(store, scope).answer()


def _correlation(store: EventStore, scope: Scope) -> Answer:
    return correlate(store, scope).answer()


def show_summary(answer: Answer) -> None:
    """The summary for people, below what it was computed of."""
    print_about(answer)
    out.print()
    print_summary(answer)


def show_correlation(answer: Answer) -> None:
    """The correlation for people, below what it was computed of."""
    print_about(answer)
    out.print()
    print_correlation(answer)


def print_summary(answer: Answer) -> None:
    """The summary for people."""
    facts = answer.facts
    rows = [*facts["counts"].items(), ("users", facts["users"]), ("campaigns", facts["campaigns"])]
    rows += [(f"value {currency}".strip(), value) for currency, value in facts["value"].items()]
    rows += [("first event", facts["first_event"]), ("last event", facts["last_event"])]
    print_table("Summary" + within(answer.scope), ("what", "count"), rows, numbers=["count"])
    _print_days(answer)


def print_correlation(answer: Answer) -> None:
    """The correlation for people."""
    facts = answer.facts
    names = ("sum", "mean", "median", "std_deviation", "std_deviation_sampling")
    rows = [(kind, *(facts[kind][name] for name in names)) for kind in ("clicks", "conversions")]
    title = f"Clicks and conversions of {facts['users']:,} users" + within(answer.scope)
    print_table(title, ("per user", *names), rows, numbers=names)
    out.print()
    pearson, spearman = facts["pearson"], facts["spearman"]
    related = [
        ("clicks per conversion", facts["clicks_per_conversion"], None),
        ("Pearson r", pearson["r"], pearson["p"]),
        ("Spearman rho", spearman["rho"], spearman["p"]),
    ]
    print_table("How they relate", ("measure", "value", "p"), related, numbers=["value", "p"])
    _print_days(answer)


def _print_days(answer: Answer) -> None:
    """What is there by day; the other tables say what has been printed."""
    for table in answer.tables:
        if table.name == "days":
            out.print()
            print_rows(table)
