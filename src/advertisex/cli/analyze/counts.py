"""Prints the answers of the summary and correlation questions; the others use `print_answer`."""

from advertisex.analysis.answer import Answer
from advertisex.cli.analyze.showing import print_about, print_notes, print_rows, within
from advertisex.cli.output import out
from advertisex.cli.tables import print_table


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
    amounts = ("value", "gross_value") if facts["value"] != facts["gross_value"] else ("value",)
    rows += [(_words(name, currency), value) for name in amounts for currency, value in facts[name].items()]
    rows += [("first event", facts["first_event"]), ("last event", facts["last_event"])]
    print_table("Summary" + within(answer.scope), ("measure", "count"), rows, numbers=["count"])
    print_notes(answer)
    _print_days(answer)


def _words(name: str, currency: str) -> str:
    return f"{name.replace('_', ' ')} {currency}".strip()


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
