"""Statistical properties of the simulated traffic."""

from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from advertisex.simulator import FaultRates, Simulation, SimulationSettings
from advertisex.simulator.market import SITES, draw_market, user_id, user_number
from advertisex.simulator.rows import ROW, PendingRows, Rows, no_rows
from advertisex.simulator.tally import Auctions
from tests.simulator import oracle


@pytest.fixture(scope="module")
def events() -> dict[str, list[dict[str, Any]]]:
    faults = FaultRates(**dict.fromkeys(FaultRates.__dataclass_fields__, 0.0) | {"late": 0.01})
    simulation = Simulation(SimulationSettings(events=120_000, seed=12, faults=faults), "log")
    seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for chunk in simulation.chunks():
        for feed, payloads in chunk.messages.items():
            for message in payloads:
                fields = oracle.decode(feed, message)
                assert isinstance(fields, dict)
                seen[feed].append(fields | {"time": oracle.parse_time(fields["timestamp"])})
    return dict(seen)


def test_every_bid_has_its_own_auction(events: dict[str, list[dict[str, Any]]]) -> None:
    auctions = Counter(bid["auction_id"] for bid in events["bids"])
    assert max(auctions.values()) == 1


def test_an_impression_has_the_auction_id_of_its_bid(events: dict[str, list[dict[str, Any]]]) -> None:
    bids = {bid["auction_id"]: bid for bid in events["bids"]}
    assert max(Counter(shown["auction_id"] for shown in events["impressions"]).values()) == 1
    joined = [(bids[shown["auction_id"]], shown) for shown in events["impressions"] if shown["auction_id"] in bids]
    # up to 1 % of the bids are still in flight when the simulation ends
    assert len(joined) > 0.99 * len(events["impressions"])
    for bid, shown in joined:
        assert all(bid[name] == shown[name] for name in ("user_id", "creative_id", "website"))
        assert bid["time"] < shown["time"]


def test_auctions_are_tracked_until_they_are_forgotten() -> None:
    def rows(*serials: int) -> Rows:
        built = np.zeros(len(serials), ROW)
        built["serial"] = serials
        return built

    auctions = Auctions()
    assert auctions.bids(rows()).size == 0
    assert auctions.bids(rows(0, 1, 5)).size == 0
    assert auctions.impressions(rows(1, 9))["serial"].tolist() == [1]
    auctions.forget(5)
    auctions.forget(4)
    assert auctions.impressions(rows(6, 5))["serial"].tolist() == [5]
    assert auctions.bids(rows(9, 6, 12))["serial"].tolist() == [9, 6]
    auctions.forget(100)
    assert auctions.bids(rows(101)).size == 0
    assert auctions.impressions(rows(102, 101))["serial"].tolist() == [101]


def test_endless_traffic_tracks_a_bounded_number_of_auctions() -> None:
    asked = SimulationSettings(faults=FaultRates.none(), users=50)
    simulation = Simulation(asked, "log", messages_per_second=100)
    target, tracked = 0, list[int]()
    for second in range(1_750_000_000, 1_750_000_600, 10):
        target += 1_000
        simulation.until(second * 1_000_000, (second + 10) * 1_000_000, target)
        tracked.append(simulation.open_auctions)
    assert max(tracked) < 2_000
    assert simulation.truth().analysis.counts["bids"] > 20_000


def test_win_click_and_conversion_rates_are_realistic(
    events: dict[str, list[dict[str, Any]]],
) -> None:
    kinds = Counter(click["conversion"] == "click" for click in events["clicks"] if click["conversion"] != "refund")
    assert 0.5 < len(events["impressions"]) / len(events["bids"]) < 0.75
    assert 0.01 < kinds[True] / len(events["impressions"]) < 0.03
    assert 0.1 < kinds[False] / kinds[True] < 0.5


def test_users_and_sites_are_heavy_tailed(events: dict[str, list[dict[str, Any]]]) -> None:
    users = sorted(Counter(event["user_id"] for event in events["bids"]).values(), reverse=True)
    assert sum(users[: len(users) // 10]) > 0.3 * sum(users)
    assert len(users) > 1_000
    sites = Counter(event["website"].removeprefix("https://www.").split("/")[0] for event in events["bids"])
    assert len(sites) > SITES / 2
    assert sum(count for _, count in sites.most_common(30)) > 0.3 * sites.total()


def test_every_conversion_follows_a_click_of_the_same_user_and_campaign(
    events: dict[str, list[dict[str, Any]]],
) -> None:
    first_click: dict[tuple[str, str], Any] = {}
    for event in sorted(events["clicks"], key=lambda event: event["time"]):
        key = (event["user_id"], event["campaign"])
        if event["conversion"] == "click":
            first_click.setdefault(key, event["time"])
        elif event["conversion"] != "refund":
            assert (event["time"] - first_click[key]).total_seconds() >= 59
            assert float(event["value"]) >= 0
            assert len(event["currency"]) == 3


def test_a_refund_takes_back_the_whole_value_of_one_purchase(events: dict[str, list[dict[str, Any]]]) -> None:
    orders = {event["transaction_id"]: event for event in events["clicks"] if event["conversion"] == "purchase"}
    refunds = [event for event in events["clicks"] if event["conversion"] == "refund"]
    assert 0.02 < len(refunds) / len(orders) < 0.2
    assert len({event["transaction_id"] for event in refunds}) == len(refunds)
    assert len(orders) == sum(event["conversion"] == "purchase" for event in events["clicks"])
    for refund in refunds:
        order = orders[refund["transaction_id"]]
        assert all(order[name] == refund[name] for name in ("user_id", "campaign", "currency"))
        assert float(refund["value"]) == -float(order["value"])
        assert refund["time"] - order["time"] >= timedelta(hours=1)


def test_every_impression_follows_a_bid_and_every_click_an_impression(
    events: dict[str, list[dict[str, Any]]],
) -> None:
    bids = {(bid["user_id"], bid["creative_id"], bid["website"]) for bid in events["bids"]}
    shown = {(i["user_id"], i["creative_id"], i["website"]) for i in events["impressions"]}
    # up to 1 % of the causes are still in flight when the simulation ends
    assert len(shown - bids) < 0.01 * len(shown)
    users = {i["user_id"] for i in events["impressions"]}
    clicking = {c["user_id"] for c in events["clicks"]}
    assert len(clicking - users) < 0.01 * len(clicking) + 3


def test_clicks_and_conversions_of_a_user_are_correlated(events: dict[str, list[dict[str, Any]]]) -> None:
    per_user: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for event in events["clicks"]:
        per_user[event["user_id"]][event["conversion"] != "click"] += 1
    clicks, conversions = np.array(list(per_user.values())).T
    assert np.corrcoef(clicks, conversions)[0, 1] > 0.2


def test_some_messages_arrive_out_of_order(events: dict[str, list[dict[str, Any]]]) -> None:
    late = [early - now for early, now in pairwise(event["time"] for event in events["bids"]) if now < early]
    assert 0.002 < len(late) / len(events["bids"]) < 0.1
    assert max(late).total_seconds() > 1_800


def test_the_evening_has_more_traffic_than_the_morning(events: dict[str, list[dict[str, Any]]]) -> None:
    hours = Counter(event["time"].hour for event in events["bids"])
    assert hours[19] > 2 * hours[7]


def test_no_two_users_have_the_same_id() -> None:
    numbers = user_number(np.arange(300_000, dtype=np.int32))
    assert len(np.unique(numbers)) == 300_000
    assert [user_id(place) for place in (0, 7, 299_999)] == [f"u{numbers[p]:08d}" for p in (0, 7, 299_999)]


def test_the_market_of_a_seed_is_the_same_for_any_number_of_users() -> None:
    few, many = draw_market(3, 10), draw_market(3, 1_000)
    assert few.catalogue_rows == many.catalogue_rows
    assert few.websites == many.websites
    assert len(set(few.sites)) == SITES


def test_rows_are_released_in_the_order_of_their_time() -> None:
    pending = PendingRows("time")
    assert len(pending.take(10)) == 0
    rows = np.zeros(4, no_rows().dtype)
    rows["time"], rows["serial"] = [5, 3, 9, 3], [0, 1, 2, 3]
    pending.add(rows)
    assert pending.take(6)["serial"].tolist() == [1, 3, 0]
    assert len(pending) == 1
    assert pending.take(None)["serial"].tolist() == [2]
