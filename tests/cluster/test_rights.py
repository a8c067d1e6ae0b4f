"""The Elasticsearch roles in docs/cluster.md suffice on a real node with security enabled."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.elasticsearch import LocalElasticsearch
from tests.warm import program

GUIDE = Path(__file__).parents[2] / "docs" / "cluster.md"
ROLES: dict[str, Any] = json.loads(re.findall(r"## Permissions.*?```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)[0])

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
    """run(user, *arguments): exit code, JSON document and stderr of a command on the store as this user."""

    def call(user: str, *arguments: object) -> tuple[int, Any, str]:
        where = ["--data", "data", *(["--store", node.url_of(user)] if user else [])]
        command = [program(), *map(str, arguments), *where, "--json"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ADVERTISEX_")}
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return ran.returncode, json.loads(ran.stdout or "null"), ran.stderr

    return call


def findings(document: Any) -> dict[str, str]:
    return {finding["what"]: finding["detail"] for finding in document["findings"]}


def test_each_role_allows_its_commands_and_no_others(run: Run) -> None:
    assert run("", "simulate", "--events", 2000)[0] == 0
    assert run("advertisex_read", "process")[0] == 1  # before the indices exist
    code, processed, stderr = run("advertisex_process", "process")
    assert (code, stderr.count("\n")) == (0, 1)
    assert stderr.startswith("imported the catalogue")
    code, ledger, stderr = run("advertisex_read", "ledger")
    assert (code, stderr, ledger["total"]) == (0, "", processed["total"])
    code, again, stderr = run("advertisex_process", "process")  # updates existing indices and templates
    assert (code, stderr, again["total"]) == (0, "", ledger["total"])

    assert run("advertisex_read", "catalogue", "history")[0] == 0
    assert run("advertisex_read", "analyze", "summary")[1]["events"] == ledger["total"]["stored"]
    assert run("advertisex_read", "analyze", "correlation")[0] == 0
    assert run("advertisex_read", "rejects", "list")[1]["total"] == sum(
        ledger["total"][kind] for kind in ("rejected", "filtered", "conflict")
    )
    filtered = run("advertisex_read", "rejects", "replay", "--kind", "filtered", "--dry-run")[1]["messages"]
    assert run("advertisex_process", "rejects", "replay", "--kind", "filtered", "--yes")[1]["messages"] == filtered > 0
    for user, *command in (
        ("advertisex_read", "process"), ("advertisex_read", "rejects", "replay", "--all", "--yes"),
        ("advertisex_read", "rejects", "resolve", "--all", "--yes"), ("stranger", "ledger"),
        ("advertisex_read", "rebuild"), ("advertisex_process", "rebuild"),
    ):  # fmt: skip
        code, _, stderr = run(user, *command)
        assert code == 1
        assert "403" in stderr
        assert "described in docs/cluster.md under Permissions" in stderr

    for user in ("advertisex_read", "advertisex_process"):
        code, document, stderr = run(user, "doctor")
        assert (code, stderr) == (0, "")
        found = findings(document)
        unseen = {what for what, says in found.items() if says.startswith("not checked: action [")}
        assert unseen == {
            "store",
            "store's version",
            "store's clock",
            "store's disk",
            "store's shards",
            "store's blocks",
        } | ({"store's templates"} if user == "advertisex_read" else set())
        assert found["store's counts"] == "equal to the ledger's counts"
    code, document, _ = run("monitoring", "doctor")
    assert code == 0
    assert not [says for says in findings(document).values() if "not checked" in says]

    before = run("advertisex_process", "process")[1]["total"]
    code, rebuilt, _ = run("advertisex_rebuild", "rebuild")
    assert (code, rebuilt["total"]["stored"]) == (0, before["stored"])
    assert run("advertisex_read", "ledger")[1]["total"]["stored"] == before["stored"]
    assert run("advertisex_process", "process")[0] == 0
    assert run("advertisex_process", "rebuild", "--drop-old")[0] == 1
    assert run("advertisex_rebuild", "rebuild", "--drop-old")[1]["dropped"]
