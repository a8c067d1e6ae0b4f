"""Speed of the simulator, and of its bids beside fastavro, which encodes one datum at a time.

    python -m bench.simulator                    300,000 messages for a log, then for files
    python -m bench.simulator --events 1000000

Times are CPU time of this process, the best of some rounds. Both encoders write the same bytes.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from advertisex.simulator import Simulation, SimulationSettings
from advertisex.simulator.avro_bids import BidsAvro
from advertisex.simulator.formats import Event
from advertisex.simulator.kinds import Medium
from advertisex.simulator.market import CAMPAIGNS, Market, draw_market
from advertisex.simulator.rows import ROW, Rows
from bench.child import machine

_BIDS = 50_000


def simulated(events: int, medium: Medium) -> int:
    """Generate a simulation's messages; return their number."""
    return sum(map(len, Simulation(SimulationSettings(events=events, seed=1), medium).chunks()))


def bids(market: Market, count: int) -> Rows:
    """Distinct bids of all users, creatives and websites."""
    numbers = np.arange(count)
    rows = np.zeros(count, ROW)
    rows["time"] = 1_767_571_200_000_000 + numbers * 1_000
    rows["serial"], rows["amount"] = numbers, numbers % 997 / 100
    rows["user"], rows["website"] = numbers % market.users, numbers % len(market.websites)
    rows["creative"] = numbers % len(market.creative_campaign)
    return rows


def cpu_us(work: Callable[[], object], of: int, rounds: int) -> float:
    """The CPU time of some work, in microseconds for each of its messages."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return round(best / max(1, of) * 1e6, 2)


def measure(events: int, rounds: int) -> dict[str, Any]:
    """Measure both media and both encoders of bids."""
    mediums: tuple[Medium, ...] = ("log", "files")
    generated = {medium: simulated(events, medium) for medium in mediums}
    market = draw_market(seed=1, users=CAMPAIGNS * 1_000)
    encoder, rows = BidsAvro(market), bids(market, min(events, _BIDS))

    def one_by_one() -> list[bytes]:
        return [encoder.encode(encoder.fields(Event(*row))) for row in rows.tolist()]

    assert encoder.good(rows) == one_by_one()
    return {
        "messages": generated,
        "cpu_us_per_message": {
            medium: cpu_us(partial(simulated, events, medium), generated[medium], rounds) for medium in mediums
        },
        "bids": len(rows),
        "cpu_us_per_bid": {
            "by column": cpu_us(lambda: encoder.good(rows), len(rows), rounds),
            "fastavro": cpu_us(one_by_one, len(rows), rounds),
        },
    }


def main() -> None:
    """Run the benchmark; print the results as a table and as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000, help="messages of each medium (default 300,000)")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(machine())
    result = measure(args.events, args.rounds)
    for name, spent in result["cpu_us_per_message"].items():
        print(f"  messages for {name:16} {spent:6.2f} µs CPU each, {1e6 / max(spent, 0.01):>9,.0f}/s")
    for name, spent in result["cpu_us_per_bid"].items():
        print(f"  bids, {name:23} {spent:6.2f} µs CPU each")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
