"""Generates one simulation chunk by chunk, without I/O and without a clock."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from advertisex.simulator.arrivals import Arrivals
from advertisex.simulator.avro_bids import BidMessages, BidsAvro
from advertisex.simulator.csv_rows import ClicksCsv
from advertisex.simulator.diurnal import times_between
from advertisex.simulator.formats import Format
from advertisex.simulator.json_messages import ClicksJson, ImpressionsJson
from advertisex.simulator.kinds import FEED_NAMES, FeedName, Medium, fault_plan
from advertisex.simulator.market import draw_market
from advertisex.simulator.rows import Integers, Rows
from advertisex.simulator.settings import SimulationSettings
from advertisex.simulator.spoiling import encode_rows
from advertisex.simulator.tally import Tally
from advertisex.simulator.traffic import Traffic
from advertisex.simulator.truth import Truth

#: Approximate messages per chunk: enough for vectorised encoding to pay off, few enough for a few megabytes.
CHUNK_MESSAGES = 50_000
#: Fraction of the duration that the planned windows cover; the remainder tops up to the exact number of messages.
_PLANNED = 0.98
_FEWEST_BIDS = 16
_TRAFFIC_STREAM = 2


@dataclass(frozen=True, slots=True)
class Chunk:
    """The messages of one time window: for each feed, in order of arrival."""

    messages: dict[FeedName, list[bytes]]

    def __len__(self) -> int:
        return sum(map(len, self.messages.values()))


class Simulation:
    """Generates messages and keeps the truth about them.

    Args:
        settings: what to simulate.
        medium: `log` for messages of the event log, `files` for records of the feeds' files.
        messages_per_second: rate in event time; defaults to the settings' events divided by their duration.
    """

    def __init__(self, settings: SimulationSettings, medium: Medium, messages_per_second: float | None = None) -> None:
        self._settings = settings
        streams = np.random.SeedSequence((settings.seed, _TRAFFIC_STREAM)).spawn(5)
        traffic_random, self._random, *arrival_randoms = map(np.random.default_rng, streams)
        self._market = draw_market(settings.seed, settings.user_count)
        self._messages_per_bid = self._market.messages_per_bid * (1 + settings.faults.duplicate)
        rate = messages_per_second or settings.events / (settings.duration_micros / 1e6)
        self._traffic = Traffic(self._market, traffic_random, rate / self._messages_per_bid)
        in_log = medium == "log"
        self._formats: dict[FeedName, Format] = {
            "impressions": ImpressionsJson(self._market),
            "clicks": ClicksJson(self._market) if in_log else ClicksCsv(self._market),
            "bids": BidMessages(self._market) if in_log else BidsAvro(self._market),
        }
        faults = settings.faults
        plans = {name: fault_plan(name, medium, faults) for name in FEED_NAMES}
        self._arrivals = {
            name: Arrivals(plans[name], faults.duplicate, self._conflicts(name), faults.late, random)
            for name, random in zip(FEED_NAMES, arrival_randoms, strict=True)
        }
        self._tally = Tally(settings.seed, plans, self._market)

    def _conflicts(self, name: FeedName) -> float:
        """The fraction of a feed's duplicates that are conflicts."""
        return self._settings.faults.conflict if self._formats[name].targets.changeable else 0

    @property
    def catalogue_rows(self) -> list[tuple[str, str, str]]:
        """Rows of the catalogue file: creative, campaign, advertiser."""
        return self._market.catalogue_rows

    @property
    def messages(self) -> int:
        """The number of messages generated so far."""
        return self._tally.messages

    @property
    def open_auctions(self) -> int:
        """The number of auctions that are tracked; bounded, however long the simulation runs."""
        return self._tally.open_auctions

    def truth(self) -> Truth:
        """The truth about the messages generated so far."""
        return self._tally.truth()

    def chunks(self) -> Iterator[Chunk]:
        """Yield exactly `settings.events` messages, with event times within the duration."""
        start, duration = self._settings.start_micros, self._settings.duration_micros
        windows = -(-self._settings.events // CHUNK_MESSAGES)
        bids = round(self._settings.events / max(1, windows) / self._messages_per_bid)
        edges = times_between(start, start + int(duration * _PLANNED), np.linspace(0, 1, windows + 1))
        for lower, upper in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            yield self._chunk(self._bid_times(bids, lower, upper), upper, arrived_by=upper)
        # top up to the exact number, each time in the first half of the remaining duration
        lower, end = int(edges[-1]), start + duration
        while (missing := self._settings.events - self.messages) > 0:
            upper = (lower + end) // 2
            bids = max(_FEWEST_BIDS, min(CHUNK_MESSAGES, round(missing / self._messages_per_bid)))
            yield self._chunk(self._bid_times(bids, lower, upper), upper, arrived_by=None)
            lower = upper

    def until(self, lower: int, upper: int, target: int) -> Chunk:
        """The messages of the next window, for endless traffic; `settings.events` does not apply.

        Args:
            lower: start of the window, in microseconds since the epoch.
            upper: end of the window, likewise.
            target: approximate number of messages sent since the start, those in flight included.
        """
        sent = self.messages + sum(map(len, self._arrivals.values()))
        bids = max(0, round((target - sent) / self._messages_per_bid))
        times = np.sort(self._random.integers(lower, upper, bids)) if upper > lower else np.empty(0, np.int64)
        return self._chunk(times, upper, arrived_by=upper, bounded=False)

    def _bid_times(self, bids: int, lower: int, upper: int) -> Integers:
        return times_between(lower, upper, np.sort(self._random.random(bids)))

    def _chunk(self, times: Integers, until: int, arrived_by: int | None, bounded: bool = True) -> Chunk:
        for name, rows in self._traffic.window(times, until).items():
            self._arrivals[name].send(rows)
        arrived = {name: self._arrivals[name].arrived(arrived_by) for name in FEED_NAMES}
        if bounded:
            arrived = _earliest(arrived, self._settings.events - self.messages)
        for name, rows in arrived.items():
            self._tally.add(name, rows)
        oldest = self._traffic.oldest_auction
        for name in ("bids", "impressions"):
            oldest = self._arrivals[name].oldest_auction(oldest)
        self._tally.forget_auctions(oldest)
        return Chunk({name: encode_rows(rows, self._formats[name]) for name, rows in arrived.items()})


def _earliest(arrived: dict[FeedName, Rows], count: int) -> dict[FeedName, Rows]:
    """The `count` earliest arrivals over all feeds."""
    if sum(map(len, arrived.values())) <= count:
        return arrived
    arrivals = np.concatenate([rows["arrival"] for rows in arrived.values()])
    feeds = np.repeat(np.arange(len(arrived)), [len(rows) for rows in arrived.values()])
    kept = np.bincount(feeds[np.argsort(arrivals, kind="stable")[:count]], minlength=len(arrived)).tolist()
    return {name: rows[:first] for (name, rows), first in zip(arrived.items(), kept, strict=True)}
