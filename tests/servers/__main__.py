"""`make servers`: runs a local Kafka and Elasticsearch until Ctrl-C."""

import argparse
import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn, TextIO

from advertisex.errors import AdvertiseXError
from tests.servers.elasticsearch import LocalElasticsearch
from tests.servers.kafka import LocalKafka
from tests.servers.local_server import is_free

KAFKA_PORT = 9092
ELASTICSEARCH_PORT = 9200


def main() -> int:
    """Start both, print their URLs, and stop them on SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers", description="Run a local Kafka and Elasticsearch until Ctrl-C."
    )
    parser.add_argument(
        "--keep", metavar="DIR", type=Path, help="keep their data in DIR between runs (default: discard it)"
    )
    keep: Path | None = parser.parse_args().keep
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, _exit)
    try:
        with contextlib.ExitStack() as stack:
            kafka = LocalKafka(folder=keep and keep / "kafka", port=_port("Kafka", KAFKA_PORT), quick=False)
            elasticsearch = LocalElasticsearch(
                folder=keep and keep / "elasticsearch", port=_port("Elasticsearch", ELASTICSEARCH_PORT), quick=False
            )
            for server in (kafka, elasticsearch):
                stack.callback(server.close)
                _print(f"Starting {server.name} …")
                server.launch()
            for server in (kafka, elasticsearch):
                server.wait()
                _print(f"{server.name:<14} {server.url}")
            where = f"--log {kafka.url} --store {elasticsearch.url}"
            _print("\nBoth are ready. To try them, run in another terminal:")
            _print(f"  .venv/bin/advertisex demo {where}")
            _print(f"  .venv/bin/advertisex process {where}")
            _print("\nPress Ctrl-C to stop them." + ("" if keep else " Their data is then deleted."))
            while kafka.running and elasticsearch.running:
                time.sleep(0.5)
            ended, other = (elasticsearch, kafka) if kafka.running else (kafka, elasticsearch)
            _print(f"{ended.name} (pid {ended.pid}) exited unexpectedly; stopping {other.name} too", file=sys.stderr)
            return 1
    except SystemExit:
        _print("Both have stopped.")
        return 0
    except AdvertiseXError as error:
        _print(f"servers: {error}", file=sys.stderr)
        return error.exit_code


def _port(name: str, default: int) -> int | None:
    if is_free(default):
        return default
    _print(f"Port {default} is in use; {name} uses another one.")
    return None


def _print(text: str, file: TextIO | None = None) -> None:
    print(text, file=file or sys.stdout, flush=True)


def _exit(*_: object) -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # ignore further signals while shutting down
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
