"""The roles that docs/cluster.md has for Elasticsearch are enough, for a real node that asks for them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from advertisex.testing.elasticsearch import LocalElasticsearch

GUIDE = Path(__file__).parents[2] / "docs" / "cluster.md"
ROLES: dict[str, Any] = json.loads(re.findall(r"## Rights.*?```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)[0])

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture(scope="module")
def node() -> Iterator[LocalElasticsearch]:
    monitoring = ROLES["advertisex_read"] | {"cluster": ["monitor"]}
    roles = ROLES | {"monitoring": monitoring, "stranger": {"cluster": []}}
    lines = "".join(f"{name}: {json.dumps(role)}\n" for name, role in roles.items())
    with LocalElasticsearch(security=True, roles=lines) as started:
        yield started


@pytest.fixture
def run(node: LocalElasticsearch, tmp_path: Path) -> Run:
    """run(user, *arguments): status, document and stderr of a command with --json on the store, as this user."""

    def call(user: str, *arguments: object) -> tuple[int, Any, str]:
        where = ["--data", "data", *(["--store", node.url_of(user)] if user else [])]
        command = [sys.executable, "-m", "advertisex", *map(str, arguments), *where, "--json"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ADVERTISEX_")}
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return ran.returncode, json.loads(ran.stdout or "null"), ran.stderr

    return call


def findings(document: Any) -> dict[str, str]:
    return {finding["what"]: finding["says"] for finding in document["findings"]}


def test_each_role_suffices_for_what_it_is_for_and_no_more(run: Run) -> None:
    assert run("", "simulate", "--events", 2000)[0] == 0
    assert run("advertisex_read", "process")[0] == 1  # before anything is there
    code, ledger, said = run("advertisex_process", "process")
    assert (code, said) == (0, "")
    assert run("advertisex_process", "process")[:2] == (0, ledger)  # what is there is brought up to date

    assert run("advertisex_read", "ledger")[:2] == (0, ledger)
    assert run("advertisex_read", "analyze", "summary")[1]["events"] == ledger["total"]["stored"]
    assert run("advertisex_read", "analyze", "correlation")[0] == 0
    assert run("advertisex_read", "rejects", "list")[1]["total"] == (
        ledger["total"]["rejected"] + ledger["total"]["filtered"]
    )
    filtered = run("advertisex_read", "rejects", "replay", "--kind", "filtered", "--dry-run")[1]["messages"]
    assert run("advertisex_process", "rejects", "replay", "--kind", "filtered")[1]["messages"] == filtered > 0
    for user, *command in (
        ("advertisex_read", "process"), ("advertisex_read", "rejects", "replay", "--all"), ("stranger", "ledger"),
    ):  # fmt: skip
        code, _, said = run(user, *command)
        assert code == 1
        assert "403" in said
        assert "described in docs/cluster.md under Rights" in said

    for user in ("advertisex_read", "advertisex_process"):
        code, document, said = run(user, "doctor")
        assert (code, said) == (0, "")
        found = findings(document)
        unseen = {what for what, says in found.items() if says.startswith("not checked: action [")}
        assert unseen == {"store", "store's version", "store's clock", "store's disk", "store's shards"} | (
            {"store's templates"} if user == "advertisex_read" else set()
        )
        assert found["store's counts"] == "equal to the ledger's counts"
    code, document, _ = run("monitoring", "doctor")
    assert code == 0
    assert not [says for says in findings(document).values() if "not checked" in says]
