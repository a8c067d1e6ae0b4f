"""The questions: each validates its own options and binds them to a function of `analysis`."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, get_args

from advertisex.analysis import bids as bid_requests
from advertisex.analysis import correlation as correlations
from advertisex.analysis import event_list as event_lists
from advertisex.analysis import funnel as funnels
from advertisex.analysis import restatement as restatements
from advertisex.analysis import summary as summaries
from advertisex.analysis.arguments import MOST_LISTED, ByDay, check_duration, one_of, optional
from advertisex.analysis.attribution import attribute as attributions
from advertisex.analysis.calendar import PERIODS
from advertisex.analysis.journeys import report as followed
from advertisex.analysis.keys import KEYS
from advertisex.analysis.listing import LISTED
from advertisex.analysis.pacing import report as pacings
from advertisex.analysis.pacing.curve import CURVES
from advertisex.analysis.performance import report as performances
from advertisex.analysis.quality import report as qualities
from advertisex.analysis.reach import report as reached
from advertisex.errors import ConfigurationError
from advertisex.questions.asking import Question
from advertisex.questions.option import Option
from advertisex.questions.time_text import parse_time
from advertisex.settings.durations import read_duration


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _duration(text: str, option: str, *, minimum: timedelta = timedelta(0)) -> timedelta:
    """Parse a duration such as 30d, 12h, 90m or ISO 8601's P30D, and check it like the question does.

    Raises:
        ConfigurationError: it is not a valid duration, too short, or longer than a hundred years.
    """
    found = read_duration(text)
    if found is None:
        raise ConfigurationError(
            f"{option}: {text!r} is not a valid duration", hint="write it as 30d, 12h, 90m or P30D"
        )
    return check_duration(found, option, minimum=minimum)


ByDayOption = Annotated[str | None, Option(metavar="KEY", help="Group by: day.")]


def summary(by: ByDayOption = None) -> Question:
    """Number of events, users and campaigns, total value, and time range."""
    return partial(summaries.summarise, by=optional(by, get_args(ByDay), "--by"))


def correlation(by: ByDayOption = None) -> Question:
    """Correlation of clicks and conversions per user."""
    return partial(correlations.correlate, by=optional(by, get_args(ByDay), "--by"))


def funnel(
    by: Annotated[
        str | None,
        Option(
            metavar="KEY",
            help=f"Group by {_listed([*KEYS, 'conversion_type', *PERIODS, 'any own text or flag field'])}.",
        ),
    ] = None,
) -> Question:
    """Funnel from bids to impressions, clicks and conversions: counts, users, CTR, CVR and value."""
    return partial(funnels.funnel, by=by)


def performance(
    by: Annotated[
        str | None,
        Option(
            metavar="KEY",
            help=f"Group by {_listed([*KEYS, 'conversion_type', *performances.PERIODS, 'an own text or flag field'])}.",
        ),
    ] = None,
) -> Question:
    """What was delivered, what it cost and what it earned, with the previous period beside it."""
    return partial(performances.performance, by=by)


def pacing(
    curve: Annotated[
        str,
        Option(
            metavar="NAME",
            help="How what is booked is expected to be spread: linear, or weekday for the campaign's own week.",
        ),
    ] = "linear",
) -> Question:
    """What flights delivered of what is booked, how they will end, and the money at stake."""
    return partial(pacings.pacing, curve=one_of(curve, CURVES, "--curve"))


TouchScopeOption = Annotated[
    str,
    Option(metavar="SCOPE", help="any, or campaign: only touches of the conversion's own campaign."),
]


def attribution(
    model: Annotated[
        list[str] | None,
        Option(metavar="NAME", help=f"{_listed(attributions.MODELS)}; repeatable.", default="all"),
    ] = None,
    by: Annotated[
        str,
        Option(metavar="KEY", help=f"What to credit: {_listed([*KEYS, 'any own text or flag field'])}."),
    ] = "campaign_id",
    scope: TouchScopeOption = "any",
    split_journeys: Annotated[bool, Option(help="End the journey at each conversion.")] = False,
    click_window: Annotated[str, Option(metavar="DURATION", help="Lookback window of clicks: 30d, 12h.")] = "30d",
    view_window: Annotated[str, Option(metavar="DURATION", help="Lookback window of impressions.")] = "1d",
    half_life: Annotated[str, Option(metavar="DURATION", help="Half-life of the time_decay model.")] = "7d",
    weight: Annotated[
        str,
        Option(
            metavar="NAME",
            help="What conversions weigh in the markov model when it divides value: conversions or value.",
        ),
    ] = "conversions",
) -> Question:
    """Credit conversions to campaigns, creatives or websites, by several attribution models."""
    return partial(
        attributions.attribute,
        by=by,
        within_campaign=_within_campaign(scope),
        split_journeys=split_journeys,
        models=[one_of(name, attributions.MODELS, "--model") for name in model or attributions.MODELS],
        click_window=_duration(click_window, "--click-window"),
        view_window=_duration(view_window, "--view-window"),
        half_life=_duration(half_life, "--half-life", minimum=timedelta.resolution),
        weight=one_of(weight, attributions.WEIGHTS, "--weight"),
    )


def journeys(
    window: Annotated[
        list[str] | None,
        Option(metavar="DURATION", help="Lookback window of touches: 7d, 12h; repeatable.", default="1d, 7d, 28d"),
    ] = None,
    by: Annotated[
        str,
        Option(metavar="KEY", help=f"What a path consists of: {_listed([*KEYS, 'any own text or flag field'])}."),
    ] = "campaign_id",
    scope: TouchScopeOption = "any",
    limit: Annotated[
        int, Option(metavar="N", minimum=0, maximum=MOST_LISTED, help="Maximum number of paths listed.")
    ] = LISTED,
) -> Question:
    """Conversions after clicks and views, their lag, number of touches, and the paths that lead to them."""
    windows = [_duration(text, "--window", minimum=timedelta.resolution) for text in window or ()]
    return partial(
        followed.journeys,
        by=by,
        within_campaign=_within_campaign(scope),
        windows=windows or followed.WINDOWS,
        limit=limit,
    )


def _within_campaign(scope: str) -> bool:
    return one_of(scope, ("any", "campaign"), "--scope") == "campaign"


def reach(
    by: Annotated[
        str | None, Option(metavar="KEY", help=f"Also count the users of each {_listed(reached.OVER)}.")
    ] = None,
) -> Question:
    """Reach and frequency, also over time, conversions by frequency, and the users that campaigns have in common."""
    return partial(reached.reach, by=optional(by, reached.OVER, "--by"))


def bids() -> Question:
    """Bid amounts, win rate and the value of the won bids."""
    return bid_requests.bids


def quality(
    limit: Annotated[
        int,
        Option(
            metavar="N",
            minimum=0,
            maximum=MOST_LISTED,
            help="Maximum number of events listed per reason and discrepancy.",
        ),
    ] = LISTED,
) -> Question:
    """Ingestion delay, rejects, discrepancies between the feeds, and suspected invalid traffic."""
    return partial(qualities.quality, limit=limit)


def restatement(
    begin: Annotated[str, Option(name="from", metavar="TIME", help="Start: the numbers as known at this time (UTC).")],
    end: Annotated[
        str | None,
        Option(name="to", metavar="TIME", help="End: the numbers as known at this time.", default="the last commit"),
    ] = None,
    limit: Annotated[
        int,
        Option(
            metavar="N",
            minimum=0,
            maximum=MOST_LISTED,
            help="Maximum number of late events and moved creatives listed.",
        ),
    ] = restatements.LATE_EVENTS,
) -> Question:
    """Campaigns and days whose numbers changed between two times: late events, and another catalogue."""
    start = parse_time(begin, "--from")
    assert start is not None
    return partial(restatements.restatement, start=start, end=parse_time(end, "--to"), limit=limit)


def events(
    of: Annotated[
        str, Option(metavar="NAME", help=f"What they count as: {_listed(list(event_lists.COUNTED))}.")
    ] = "impressions",
    limit: Annotated[
        int, Option(metavar="N", minimum=0, maximum=MOST_LISTED, help="Maximum number of events listed.")
    ] = LISTED,
) -> Question:
    """The events behind a number, with the positions of their messages."""
    return partial(event_lists.list_events, of=one_of(of, list(event_lists.COUNTED), "--of"), limit=limit)


#: The questions by name, in the order of the help.
QUESTIONS: dict[str, Callable[..., Question]] = {
    question.__name__: question
    for question in (
        summary, correlation, performance, pacing, funnel, attribution, journeys, reach, bids, quality, restatement,
        events,
    )
}  # fmt: skip

#: The filters of `Selection` that a question rejects: pacing looks at whole flights, the overview at one day, and both
#: at all that a campaign delivers.
WITHOUT: dict[str, frozenset[str]] = dict.fromkeys(("pacing", "overview"), frozenset({"since", "where"}))

#: The feeds whose events a question selects with `where`; all feeds for the others.
SELECTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("correlation", "journeys"), ("clicks",)),
    **dict.fromkeys(("performance", "attribution", "reconcile"), ("impressions", "clicks")),
    **dict.fromkeys(("reach", "events"), ("impressions",)),  # events has other feeds with another `of`
    "bids": ("bids", "impressions"),
}
