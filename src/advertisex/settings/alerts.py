"""Settings of alert rules and notification channels."""

import re
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from advertisex.settings.durations import Duration
from advertisex.settings.secrets import Secret
from advertisex.settings.section import FeedName, Section


def _part_of_a_day(length: timedelta) -> timedelta:
    if length < timedelta(minutes=1) or timedelta(days=1) % length or length % timedelta(minutes=1):
        raise ValueError("must be whole minutes that divide a day evenly, such as 15m or 1h")
    return length


def _whole_days(length: timedelta) -> timedelta:
    if length % timedelta(days=1) or not timedelta(days=2) <= length <= timedelta(days=365):
        raise ValueError("must be whole days, from 2d to 365d")
    return length


def _rule_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):  # becomes part of an environment variable's name
        raise ValueError("a rule name must match [a-z][a-z0-9_]* and have at most 40 characters")
    return name


#: Names of the weekdays, from Monday.
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _day_off(text: str) -> str:
    name = text.strip().lower()
    if name not in WEEKDAYS and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", name):
        raise ValueError(f"{text!r} is not a valid day off: use a date such as 2026-12-25, or a weekday such as sunday")
    if name not in WEEKDAYS:
        date.fromisoformat(name)
    return name


def _of_all_feeds(value: Any) -> Any:
    return {"all": value} if isinstance(value, list | tuple) else value


_DayOff = Annotated[str, AfterValidator(_day_off)]


class DaysOff(Section):
    """Days on which less is expected, or nothing. Instead of the table, the days of all feeds can be given."""

    all: tuple[_DayOff, ...] = Field(
        default=(),
        description="days on which no feed is expected to deliver, also written `days_off = [...]`: "
        "dates, or weekdays such as `sunday`, in `times.zone`",
    )
    impressions: tuple[_DayOff, ...] = Field(default=(), description="further days off of the impressions")
    clicks: tuple[_DayOff, ...] = Field(default=(), description="further days off of the clicks")
    bids: tuple[_DayOff, ...] = Field(default=(), description="further days off of the bids")


class RuleSettings(Section):
    """One alert rule. A rule with the name of a default rule overrides the given settings of that rule."""

    metric: (
        Literal[
            "volume", "silence", "ctr", "cvr", "reject_share", "duplicate_share", "delay", "lag", "pace",
            "projected_spend", "budget_spent",
        ]
        | None
    ) = Field(default=None, description="metric to watch; see docs/monitoring.md")  # fmt: skip
    feed: FeedName | None = Field(default=None, description="only this feed")
    campaign: str | None = Field(
        default=None, min_length=1, description='one campaign, or "*" for each campaign; default: the whole feed'
    )
    above: float | None = Field(default=None, description="upper bound: a higher value is bad")
    below: float | None = Field(default=None, description="lower bound: a lower value is bad")
    deviations: float | None = Field(
        default=None,
        gt=0,
        description="deviations from the expected value that are bad; used if no bound is given",
    )
    severity: Literal["warning", "critical"] | None = Field(default=None, description="severity of the alert")
    off: bool = Field(default=False, description="disable the rule")


class AlertSettings(Section):
    """Alert rules and notification channels."""

    channels: tuple[Secret, ...] = Field(default=(), description="where notices are sent, as Apprise URLs")
    bucket: Annotated[Duration, AfterValidator(_part_of_a_day)] = Field(
        default=timedelta(minutes=15), description="length of an evaluation bucket; must divide a day evenly"
    )
    history: Annotated[Duration, AfterValidator(_whole_days)] = Field(
        default=timedelta(days=28), description="history from which expected values are learned"
    )
    days_off: Annotated[DaysOff, BeforeValidator(_of_all_feeds)] = DaysOff()
    pending: int = Field(
        default=2,
        ge=1,
        description="consecutive bad buckets to fire an alert, consecutive good ones to resolve it",
    )
    cooldown: Duration = Field(
        default=timedelta(hours=4),
        description="no new notice for an alert that fires again within this time",
    )
    rules: dict[Annotated[str, AfterValidator(_rule_name)], RuleSettings] = Field(
        default={}, description="additional rules, and changes to the default rules"
    )
