"""Filter stage: removes valid events that the policy excludes, each with a reason code."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from advertisex.codecs.rejection import Rejection, shown
from advertisex.processing.rejected import rejected_frame

#: Whole numbers only: random ids may begin with a dash and a digit.
_NEGATIVE = r"^-[0-9]+$"
_DETAILS = {
    "negative_user_id": "is a negative id",
    "blocked_user": "is a blocked user",
    "blocked_site": "is on a blocked site",
    "test_request": "marks a test",
    "expired": "is before the time from which the store keeps events",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A reason for filtering valid events.

    Attributes:
        field: the field that is checked.
        description: when an event is filtered, as a sentence.
        setting: the setting that controls it.
    """

    field: str
    description: str
    setting: str


#: Human-readable reasons for filtering, by reason code.
REASONS: dict[str, Filter] = {
    "negative_user_id": Filter("user_id", "The user id is a negative whole number.", "policy.negative_users"),
    "blocked_user": Filter("user_id", "The user id is on the blocked list.", "policy.blocked_users"),
    "blocked_site": Filter("website", "The host or a parent domain is on the blocked list.", "policy.blocked_sites"),
    "test_request": Filter("test", "The bid request is marked as a test.", "policy.test_requests"),
    "expired": Filter(
        "event_time",
        "The event is older than what the store keeps.",
        "store.keep_days",
    ),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """Which valid events are filtered.

    Attributes:
        negative_users: whether to filter user ids that are negative whole numbers.
        blocked_users: user ids, compared as text.
        blocked_sites: hosts in lower case; their subdomains are blocked too.
        test_requests: whether to filter events whose message is marked as a test.
        kept_since: earliest event time that the store keeps; None keeps all.
    """

    negative_users: bool = True
    blocked_users: frozenset[str] = frozenset()
    blocked_sites: frozenset[str] = frozenset()
    test_requests: bool = True
    kept_since: datetime | None = None


def apply_policy(valid: pl.DataFrame, policy: Policy) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split valid events into kept and filtered ones.

    Returns:
        The kept rows, with unchanged columns; and the filtered ones (see `rejected_frame`), with a reason code of
        `REASONS`.
    """
    reasons: list[pl.Expr] = []
    user = pl.col("user_id")
    if policy.negative_users:
        reasons.append(pl.when(user.str.contains(_NEGATIVE)).then(pl.lit("negative_user_id")))
    if policy.blocked_users:
        reasons.append(pl.when(user.is_in(list(policy.blocked_users))).then(pl.lit("blocked_user")))
    if policy.blocked_sites and "host" in valid.columns:
        hosts = [host for host in valid["host"].drop_nulls().unique() if _is_below(host, policy.blocked_sites)]
        reasons.append(pl.when(pl.col("host").is_in(hosts)).then(pl.lit("blocked_site")))
    if policy.test_requests and "test" in valid.columns:
        reasons.append(pl.when("test").then(pl.lit("test_request")))
    if policy.kept_since is not None:
        reasons.append(pl.when(pl.col("event_time") < policy.kept_since).then(pl.lit("expired")))
    if not reasons:
        return valid, rejected_frame("filter", {})
    reason = valid.select(pl.coalesce(*reasons).alias("reason")).to_series()
    filtered = valid.with_columns(reason).filter(pl.col("reason").is_not_null())
    rejections = {row["row"]: _rejection(row) for row in filtered.iter_rows(named=True)}
    return valid.filter(reason.is_null()), rejected_frame("filter", rejections, kind="filtered")


def _is_below(host: str, sites: frozenset[str]) -> bool:
    labels = host.rstrip(".").split(".")  # a trailing dot denotes the same host
    return any(".".join(labels[start:]) in sites for start in range(len(labels)))


def _rejection(row: dict[str, object]) -> Rejection:
    reason = str(row["reason"])
    field = REASONS[reason].field
    value = row[field]
    text = f"{value.isoformat()}Z" if isinstance(value, datetime) else shown(value)
    return Rejection(reason, f"{field}: {text} {_DETAILS[reason]}")
