"""`advertisex analyze`: questions to the stored events."""

from typing import Annotated

import typer

from advertisex.analysis.correlation import Correlation, correlate
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import Summary, summarise
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    StoreOption,
    moment,
    opened_store,
    settings_of,
)
from advertisex.cli.output import out, print_json, print_table
from advertisex.errors import ConfigurationError

app = typer.Typer(help="Ask the stored events.", no_args_is_help=True)

SinceOption = Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only events from then on (UTC).")]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only events before then (UTC).")]
CampaignOption = Annotated[str | None, typer.Option("--campaign", metavar="ID", help="Only this campaign.")]


@app.command()
def summary(
    since: SinceOption = None,
    until: UntilOption = None,
    campaign: CampaignOption = None,
    data: DataOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """How much is stored, of how many users, from when to when."""
    scope = _scope(since, until, campaign)
    with opened_store(settings_of(config, data=data, store=store), read_only=True) as event_store:
        answer = summarise(event_store, scope)
    print_json(answer.to_dict()) if as_json else print_summary(answer)


@app.command()
def correlation(
    since: SinceOption = None,
    until: UntilOption = None,
    campaign: CampaignOption = None,
    data: DataOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """How the clicks and the conversions of users relate."""
    scope = _scope(since, until, campaign)
    with opened_store(settings_of(config, data=data, store=store), read_only=True) as event_store:
        answer = correlate(event_store, scope)
    print_json(answer.to_dict()) if as_json else print_correlation(answer)


def _scope(since: str | None, until: str | None, campaign: str | None) -> Scope:
    scope = Scope(moment(since, "--since"), moment(until, "--until"), campaign)
    if scope.since and scope.until and scope.since >= scope.until:
        raise ConfigurationError(f"the range is empty: {scope.text()}", mend="let --since lie before --until")
    return scope


def print_summary(answer: Summary) -> None:
    """The summary for people."""
    rows: list[tuple[str, object]] = [
        *answer.counts.items(),
        ("users", answer.users),
        ("campaigns", answer.campaigns),
    ]
    rows += [(f"value {currency}".strip(), value) for currency, value in answer.value.items()]
    rows += [("first event", f"{answer.first_event} UTC"), ("last event", f"{answer.last_event} UTC")]
    print_table("Summary" + _within(answer.scope), ("what", "count"), rows, numbers=["count"])


def print_correlation(answer: Correlation) -> None:
    """The correlation for people."""
    names = ("sum", "mean", "median", "std_deviation", "std_deviation_sampling")
    rows = [
        (kind, *(getattr(d, n) for n in names))
        for kind, d in (("clicks", answer.clicks), ("conversions", answer.conversions))
    ]
    title = f"Clicks and conversions of {answer.users:,} users" + _within(answer.scope)
    print_table(title, ("per user", *names), rows, numbers=names)
    out.print()
    related = [
        ("clicks per conversion", answer.clicks_per_conversion, None),
        ("Pearson r", answer.r, answer.r_p),
        ("Spearman rho", answer.rho, answer.rho_p),
    ]
    print_table("How they relate", ("measure", "value", "p"), related, numbers=["value", "p"])


def _within(scope: Scope) -> str:
    return f" ({scope.text()})" if scope.text() else ""
