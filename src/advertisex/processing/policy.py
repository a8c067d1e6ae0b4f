"""Stage 4, filter: valid events that the policy refuses are put aside, whole and with the reason."""

from dataclasses import dataclass

import polars as pl

from advertisex.processing.refusals import Rejection, rejected_frame, shown

_NEGATIVE = r"^-[0-9]"
_SAYS = {
    "negative_user_id": "is a negative id",
    "blocked_user": "is on the list of blocked users",
    "blocked_site": "is on a blocked site",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One reason for which a valid event is filtered out: the field that it is about, when, and the setting for it."""

    field: str
    says: str
    setting: str


#: Why an event is filtered out, for people.
REASONS: dict[str, Filter] = {
    "negative_user_id": Filter("user_id", "A minus sign and a digit begin the user id.", "policy.negative_users"),
    "blocked_user": Filter("user_id", "The user id is on the list.", "policy.blocked_users"),
    "blocked_site": Filter("website", "The host, or a domain above it, is on the list.", "policy.blocked_sites"),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """What is filtered out.

    Attributes:
        negative_users: whether events of negative user ids are filtered.
        blocked_users: user ids, compared as text.
        blocked_sites: hosts in lower case; a host below one of them is blocked too.
    """

    negative_users: bool = True
    blocked_users: frozenset[str] = frozenset()
    blocked_sites: frozenset[str] = frozenset()


def apply_policy(valid: pl.DataFrame, policy: Policy) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the events that the policy keeps from those that it filters out.

    Returns:
        The kept rows, columns as they came; and the filtered ones (see `refused_frame`): negative_user_id,
        blocked_user, blocked_site.
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
    if not reasons:
        return valid, rejected_frame("filter", {})
    reason = valid.select(pl.coalesce(*reasons).alias("reason")).to_series()
    filtered = valid.with_columns(reason).filter(pl.col("reason").is_not_null())
    rejections = {row["row"]: _rejection(row) for row in filtered.iter_rows(named=True)}
    return valid.filter(reason.is_null()), rejected_frame("filter", rejections, kind="filtered")


def _is_below(host: str, sites: frozenset[str]) -> bool:
    labels = host.rstrip(".").split(".")  # the same host with the dot of the root
    return any(".".join(labels[start:]) in sites for start in range(len(labels)))


def _rejection(row: dict[str, object]) -> Rejection:
    reason = str(row["reason"])
    field = REASONS[reason].field
    return Rejection(reason, f"{field}: {shown(row[field])} {_SAYS[reason]}")
