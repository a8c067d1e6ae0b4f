"""`make servers`: a local Kafka and Elasticsearch until Ctrl-C."""

import argparse
import contextlib
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn, TextIO

from advertisex.errors import AdvertiseXError
from advertisex.testing.elasticsearch import LocalElasticsearch
from advertisex.testing.kafka import LocalKafka
from advertisex.testing.local_server import is_free

KAFKA_PORT = 9092
ELASTICSEARCH_PORT = 9200


def main() -> int:
    """Start both, say where they are, and end them when told to."""
    parser = argparse.ArgumentParser(
        prog="python -m advertisex.testing.servers", description="Run a local Kafka and Elasticsearch until Ctrl-C."
    )
    parser.add_argument(
        "--keep", metavar="DIR", type=Path, help="keep their data there between runs; by default it goes with them"
    )
    keep: Path | None = parser.parse_args().keep
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        with contextlib.ExitStack() as ending:
            kafka = LocalKafka(folder=keep and keep / "kafka", port=_port("Kafka", KAFKA_PORT), quick=False)
            elasticsearch = LocalElasticsearch(
                folder=keep and keep / "elasticsearch", port=_port("Elasticsearch", ELASTICSEARCH_PORT), quick=False
            )
            for server in (kafka, elasticsearch):
                ending.callback(server.close)
                _say(f"Starting {server.name} …")
                server.launch()
            for server in (kafka, elasticsearch):
                server.wait()
                _say(f"{server.name:<14} {server.url}")
            where = f"--log {kafka.url} --store {elasticsearch.url}"
            _say("\nBoth answer. To try them, in another terminal:")
            _say(f"  .venv/bin/advertisex demo {where}")
            _say(f"  .venv/bin/advertisex process {where}")
            _say("\nCtrl-C ends them." + ("" if keep else " What they hold goes with them."))
            while kafka.running and elasticsearch.running:
                time.sleep(0.5)
            ended, other = (elasticsearch, kafka) if kafka.running else (kafka, elasticsearch)
            _say(f"{ended.name} (pid {ended.pid}) has ended by itself, so {other.name} is ended too.", file=sys.stderr)
            return 1
    except SystemExit:
        _say("Both have ended.")
        return 0
    except AdvertiseXError as error:
        _say(f"servers: {error}", file=sys.stderr)
        return error.exit_code


def _port(name: str, usual: int) -> int | None:
    if is_free(usual):
        return usual
    _say(f"Port {usual} is taken, so {name} gets another one.")
    return None


def _say(text: str, file: TextIO | None = None) -> None:
    print(text, file=file or sys.stdout, flush=True)


def _end(*_: object) -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # once is enough: ending takes a moment
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
