"""A client of the HTTP API: the same questions, asked of a server."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack
from urllib.parse import quote

from advertisex.connection import Connection, Document
from advertisex.errors import ConfigurationError

Time = str | date | datetime


class Selected(TypedDict, total=False):
    """The options that all questions have, see `Scope` and docs/metrics.md.

    Attributes:
        since: only events at or after this time. A datetime without a zone is in UTC, a text and a date in `zone`.
        until: only events before this time.
        campaign: only this campaign.
        where: only events with these values of stored fields.
        as_of: the answer as of this time.
        zone: time zone of days, weeks and months.
        currency: convert all amounts to this currency, with the exchange rates of the server.
        valid_only: leave out invalid traffic.
    """

    since: Time
    until: Time
    campaign: str
    where: Mapping[str, object]
    as_of: Time
    zone: str
    currency: str
    valid_only: bool


class Whole(TypedDict, total=False):
    """The options of the questions about all that was delivered by now: those of `Selected` that select no events."""

    until: Time
    campaign: str
    as_of: Time
    zone: str
    currency: str
    valid_only: bool


class Client:
    """Asks a server that `advertisex serve` has started.

    Every question returns the document that `--json` prints, see docs/json.md, with all digits: numbers with a fraction
    are `Decimal`.

    Args:
        url: where the server is, such as `http://127.0.0.1:8470`.
        token: what lets you in, if the server asks for one.
        timeout: seconds to wait for an answer.

    Raises:
        ConfigurationError: an option or the token is invalid.
        AnalysisError: the question cannot be answered from these events.
        StoreUnavailable: the server or its store does not respond; a retry may succeed, as after StoreBusy.
        AdvertiseXError: the server reports another error. All methods raise these.
    """

    def __init__(self, url: str, *, token: str | None = None, timeout: float = 60.0) -> None:
        self._server = Connection(url, token=token, timeout=timeout, unauthorized="give `token` to the client")

    def summary(self, *, by: str | None = None, **selected: Unpack[Selected]) -> Document:
        """Number of events, users and campaigns, total value, and time range."""
        return self._ask("summary", selected, by=by)

    def correlation(self, *, by: str | None = None, **selected: Unpack[Selected]) -> Document:
        """Correlation of clicks and conversions per user."""
        return self._ask("correlation", selected, by=by)

    def performance(self, *, by: str | None = None, **selected: Unpack[Selected]) -> Document:
        """What was delivered, what it cost and what it earned, with the previous period beside it."""
        return self._ask("performance", selected, by=by)

    def pacing(self, *, curve: str | None = None, **selected: Unpack[Whole]) -> Document:
        """What flights delivered of what is booked, how they will end, and the money at stake."""
        return self._ask("pacing", selected, curve=curve)

    def funnel(self, *, by: str | None = None, **selected: Unpack[Selected]) -> Document:
        """Funnel from bids to impressions, clicks and conversions: counts, users, CTR, CVR and value."""
        return self._ask("funnel", selected, by=by)

    def attribution(
        self,
        *,
        model: list[str] | None = None,
        by: str | None = None,
        scope: str | None = None,
        split_journeys: bool | None = None,
        click_window: str | None = None,
        view_window: str | None = None,
        half_life: str | None = None,
        weight: str | None = None,
        **selected: Unpack[Selected],
    ) -> Document:
        """Credit conversions to campaigns, creatives or websites, by several attribution models."""
        return self._ask(
            "attribution", selected, model=model, by=by, scope=scope, split_journeys=split_journeys,
            click_window=click_window, view_window=view_window, half_life=half_life, weight=weight,
        )  # fmt: skip

    def journeys(
        self,
        *,
        window: list[str] | None = None,
        by: str | None = None,
        scope: str | None = None,
        limit: int | None = None,
        **selected: Unpack[Selected],
    ) -> Document:
        """Conversions after clicks and views, their lag, number of touches, and the paths that lead to them."""
        return self._ask("journeys", selected, window=window, by=by, scope=scope, limit=limit)

    def reach(self, *, by: str | None = None, **selected: Unpack[Selected]) -> Document:
        """Reach and frequency, also over time, conversions by frequency, and the users of several campaigns."""
        return self._ask("reach", selected, by=by)

    def bids(self, **selected: Unpack[Selected]) -> Document:
        """Bid amounts, win rate and the value of the won bids."""
        return self._ask("bids", selected)

    def quality(self, *, limit: int | None = None, **selected: Unpack[Selected]) -> Document:
        """Ingestion delay, rejects, discrepancies between the feeds, and suspected invalid traffic."""
        return self._ask("quality", selected, limit=limit)

    def restatement(
        self, begin: Time, end: Time | None = None, *, limit: int | None = None, **selected: Unpack[Selected]
    ) -> Document:
        """Campaigns and days whose numbers changed between two times: late events, and another catalogue."""
        return self._ask("restatement", selected, **{"from": begin, "to": end}, limit=limit)

    def events(self, *, of: str | None = None, limit: int | None = None, **selected: Unpack[Selected]) -> Document:
        """The events behind a number, with the positions of their messages."""
        return self._ask("events", selected, of=of, limit=limit)

    def overview(self, **selected: Unpack[Whole]) -> Document:
        """Whether the numbers can be trusted, what is at risk, and today beside a week before."""
        return self._get("overview", dict(selected))

    def reconcile(self, report: Path, **options: Any) -> Document:
        """Compare a partner's report with our numbers by campaign and day, and explain the gaps.

        Args:
            report: the file.
            options: those of `advertisex reconcile`, and `Selected`; a mapping for `map`, `set` and `inherit`.
        """
        return self._get("reconcile", {"report": self._server.upload(report), **options})

    def ledger(self) -> Document:
        """The counts of every partition, and whether they balance."""
        return self._get("ledger", {})

    def csv(self, question: str, table: str, **options: Any) -> str:
        """One table of an answer as CSV, with the options of the question."""
        name, of = quote(question, safe=""), quote(table, safe="")
        if "." in f"{name}{of}":  # dots would lead to another address
            raise ConfigurationError(f"{question!r} has no table {table!r}", hint="see docs/json.md for the tables")
        path = name if question in ("overview", "reconcile") else f"analyze/{name}"
        return self._server.text(f"{path}/tables/{of}.csv", options)

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, question: str, selected: Selected | Whole, **own: Any) -> Document:
        return self._get(f"analyze/{question}", own | dict(selected))

    def _get(self, path: str, options: Mapping[str, Any]) -> Document:
        return self._server.document(path, options)
