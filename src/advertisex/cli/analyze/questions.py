"""The questions: each reads its own options, and is asked by a function of `analysis`."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, get_args

import typer

from advertisex.analysis import attribution as attributions
from advertisex.analysis import bids as bid_requests
from advertisex.analysis import funnel as funnels
from advertisex.analysis import quality as qualities
from advertisex.analysis import reach as reached
from advertisex.analysis import restatement as restatements
from advertisex.analysis.answer import Answer
from advertisex.analysis.listing import LISTED
from advertisex.analysis.scope import Scope
from advertisex.analysis.touches import Key
from advertisex.cli.analyze.asking import Question
from advertisex.cli.analyze.choices import duration, one_of, optional
from advertisex.cli.options import MOST_LISTED, moment
from advertisex.stores.contract import EventStore


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def funnel(
    by: Annotated[
        str | None, typer.Option(metavar="KEY", help=f"A row for each {_listed(get_args(funnels.By))}.")
    ] = None,
) -> Question:
    """From bids to impressions, clicks and conversions: counts, users, CTR, CVR and value."""
    return partial(funnels.funnel, by=optional(by, get_args(funnels.By), "--by"))


def attribution(
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"{_listed(attributions.MODELS)}; repeatable.  \\[default: all]"),
    ] = None,
    by: Annotated[
        str, typer.Option(metavar="KEY", help=f"What is credited: {_listed(get_args(Key))}.")
    ] = "campaign_id",
    scope: Annotated[
        str, typer.Option(metavar="SCOPE", help="any, or campaign: touches of the conversion's campaign only.")
    ] = "any",
    split_journeys: Annotated[bool, typer.Option("--split-journeys", help="A conversion ends the journey.")] = False,
    click_window: Annotated[str, typer.Option(metavar="TIME", help="How long a click counts: 30d, 12h.")] = "30d",
    view_window: Annotated[str, typer.Option(metavar="TIME", help="How long an impression counts.")] = "1d",
    half_life: Annotated[str, typer.Option(metavar="TIME", help="Of the model time_decay.")] = "7d",
) -> Question:
    """What each campaign, creative or website did for the conversions, by several models."""
    return partial(
        attributions.attribute,
        by=one_of(by, get_args(Key), "--by"),
        within_campaign=one_of(scope, ("any", "campaign"), "--scope") == "campaign",
        split_journeys=split_journeys,
        models=[one_of(name, attributions.MODELS, "--model") for name in model or attributions.MODELS],
        click_window=duration(click_window, "--click-window"),
        view_window=duration(view_window, "--view-window"),
        half_life=duration(half_life, "--half-life", least=timedelta.resolution),
    )


def reach() -> Question:
    """How many users saw an ad, how often, and whom campaigns reach together."""
    return reached.reach


def bids() -> Question:
    """What was bid, how much of it was won, and what that cost."""
    return bid_requests.bids


def quality(
    limit: Annotated[
        int, typer.Option(metavar="N", min=0, help="List at most so many events of each reason and discrepancy.")
    ] = LISTED,
) -> Question:
    """How late events came, what was refused, what contradicts what, and which traffic hardly a person made."""
    return partial(qualities.quality, limit=limit)


def restatement(
    begin: Annotated[str, typer.Option("--from", metavar="TIME", help="What was known then (UTC).")],
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="And what then.  \\[default: the last commit]")
    ] = None,
    limit: Annotated[
        int, typer.Option(metavar="N", min=0, max=MOST_LISTED, help="List at most so many late events.")
    ] = restatements.LATE_EVENTS,
) -> Question:
    """Which campaigns' and days' numbers changed between two times, and by which late events."""
    start, stop = moment(begin, "--from"), moment(end, "--to")
    assert start is not None

    def ask(store: EventStore, scope: Scope) -> Answer:
        last = scope.as_of or start
        end = stop if stop and stop < last else max(start, last)  # since the last commit nothing has changed
        return restatements.restatement(store, scope, start, end, limit=limit)

    return ask
