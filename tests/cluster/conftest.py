"""The command line on a real Kafka and Elasticsearch, with topics, group and indices unique to each test."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from advertisex.logs.contract import EventLog
from advertisex.logs.open import open_log
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.load import load_settings
from advertisex.settings.model import Settings
from advertisex.stores.contract import EventStore
from advertisex.stores.elasticsearch.retry import RetryPolicy
from advertisex.stores.elasticsearch.store import ElasticsearchStore
from tests.cluster.settings import cluster_settings
from tests.warm import program


@dataclass(frozen=True)
class Cluster:
    """One test's topics and indices on the two servers, and the command line for them."""

    folder: Path
    settings: Settings

    @property
    def feeds(self) -> dict[str, Any]:
        return configured_feeds(self.settings)

    def log(self) -> EventLog:
        return open_log(self.settings.log_url, kafka=self.settings.kafka)

    def store(self, *, read_only: bool = True, url: str = "", retry: RetryPolicy = RetryPolicy()) -> EventStore:
        """Open the configured store, or the same store at another URL (to bypass a proxy)."""
        where = url or self.settings.store_url
        return ElasticsearchStore(where, read_only=read_only, settings=self.settings.elasticsearch, retry=retry)

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        """Start the real program, which a test can kill."""
        command = [sys.executable, "-m", "advertisex", *map(str, arguments), "--config", "advertisex.toml"]
        return subprocess.Popen(command, cwd=self.folder, env=self._environment, **options)

    def call(self, *arguments: object, config: bool = True) -> Any:
        """Run a command with --json; return its document."""
        return json.loads(self.run_json(*arguments, config=config))

    def run_json(self, *arguments: object, config: bool = True) -> bytes:
        """Run a command with --json; return its stdout."""
        settings = ["--config", "advertisex.toml"] if config else []
        command = [program(), *map(str, arguments), "--json", *settings]
        ended = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, timeout=120, check=False
        )
        assert ended.returncode == 0, ended.stderr.decode()
        return ended.stdout

    @property
    def _environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith("ADVERTISEX_")}


@pytest.fixture
def make_cluster(tmp_path: Path, kafka: str, elasticsearch: str) -> Any:
    def make(
        *, partitions: int = 4, more: Sequence[str] = (), kafka_url: str = kafka, elasticsearch_url: str = elasticsearch
    ) -> Cluster:
        file = tmp_path / "advertisex.toml"
        name = f"t{uuid4().hex[:12]}"
        text = cluster_settings(name, kafka_url, elasticsearch_url, partitions=partitions, more="\n".join(more))
        file.write_text(text, encoding="utf-8")
        return Cluster(tmp_path, load_settings(file, {}, environment=False))

    return make
