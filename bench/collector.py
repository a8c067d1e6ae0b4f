"""Throughput of the collector: events that are durable in the embedded log and acknowledged, over HTTP.

    python -m bench.collector                       half a million impressions, 100 a request, from 16 clients

The server runs in this process, the clients in another one. The CPU time is that of the server.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.child import ROOT, machine, peak_mib
from bench.ingest import impressions


def requests(address: str, events: int, size: int) -> list[bytes]:
    """Requests with so many events in all, and in each but the last."""
    head = f"POST /v1/events/impressions HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-ndjson\r\n"
    all_events = impressions(events)
    bodies = ("\n".join(part) for part in iter(lambda: list(islice(all_events, size)), []))
    return [f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode() for body in bodies]


def send(address: str, parts: Sequence[bytes]) -> int:
    """Send requests one after the other over one connection; return how many events were acknowledged.

    It reads just enough of a response: the clients share the machine with the server.
    """
    host, _, port = address.rpartition(":")
    acknowledged = 0
    with socket.create_connection((host, int(port)), timeout=60) as connection, connection.makefile("rb") as responses:
        for part in parts:
            connection.sendall(part)
            status = responses.readline()
            assert b" 202 " in status, status
            length = 0
            while (line := responses.readline()) != b"\r\n":
                if line.startswith(b"content-length: "):
                    length = int(line.split()[1])
            acknowledged += json.loads(responses.read(length))["messages"]
    return acknowledged


def send_all(address: str, events: int, size: int, clients: int) -> dict[str, Any]:
    """Post events from several clients at once."""
    address = urlsplit(address).netloc
    parts = requests(address, events, size)
    with ThreadPoolExecutor(clients) as pool:
        began = time.perf_counter()
        acknowledged = sum(pool.map(lambda number: send(address, parts[number::clients]), range(clients)))
        return {"acknowledged": acknowledged, "seconds": time.perf_counter() - began}


def measure(events: int, size: int, clients: int) -> dict[str, Any]:
    """Serve a new embedded log, and let another process post events to it."""
    from advertisex.logs.open import open_log  # noqa: PLC0415 - the clients need nothing of it
    from advertisex.settings.load import load_settings  # noqa: PLC0415
    from advertisex.settings.web import WebSettings  # noqa: PLC0415
    from advertisex.stores.open import open_store  # noqa: PLC0415
    from advertisex.web.server import serving  # noqa: PLC0415
    from advertisex.web.site import Site  # noqa: PLC0415
    from advertisex.web.uploads import Uploads  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(None, {"data": Path(folder, "data")})
        with open_log(settings.log_url) as log:
            site = Site(
                settings,
                partial(open_store, settings.store_url),
                partial(open_log, settings.log_url),
                Uploads(Path()),
                partial(open_store, settings.store_url),
                log,
            )
            with serving(site, WebSettings(port=0)) as address:
                cpu = time.process_time()
                arguments = ["--send", address, "--events", events, "--batch", size, "--clients", clients]
                command = [sys.executable, "-m", "bench.collector", *map(str, arguments)]
                sent = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)
                cpu = time.process_time() - cpu
            in_log = sum(log.end_offsets().values())
    assert in_log == sent["acknowledged"], (in_log, sent)
    return {
        "events": in_log,
        "batch": size,
        "clients": clients,
        "per_second": round(in_log / sent["seconds"]),
        "cpu_s_per_million": round(cpu / in_log * 1e6, 2),
        "peak_mib": peak_mib(),
    }


def main() -> None:
    """Run the benchmark; print the results as a table and as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--batch", type=int, default=100, help="events of a request (default 100)")
    parser.add_argument("--clients", type=int, default=16, help="connections (default 16)")
    parser.add_argument("--send", metavar="ADDRESS", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.send:
        print(json.dumps(send_all(args.send, args.events, args.batch, args.clients)))
        return
    print(machine())
    result = measure(args.events, args.batch, args.clients)
    print(
        f"  {result['batch']:>5} a request, {result['clients']} clients: {result['per_second']:>9,} events/s, "
        f"{result['cpu_s_per_million']:.2f} s CPU a million, peak {result['peak_mib']:,} MiB"
    )
    print(json.dumps([result]))


if __name__ == "__main__":
    main()
