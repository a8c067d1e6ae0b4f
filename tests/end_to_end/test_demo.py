"""The demo reproduces the known truth exactly, and reports any difference."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import advertisex.cli.demo
from advertisex.demo import Demonstration, demonstrate
from advertisex.processing.policy import Policy
from advertisex.processing.runner import Processing
from advertisex.simulator import CATALOGUE_FILE
from advertisex.stores.duckdb.store import DuckdbStore

Cli = Callable[..., Any]


def test_the_result_equals_the_truth_for_every_kind(cli: Cli) -> None:
    ended = cli("demo", "--events", 40_000, "--json")

    assert ended.code == 0
    document = ended.document
    assert document["ok"] is True
    assert set(document) == {"truth", "found", "ledger", "analysis", "ok"}
    assert document["truth"] == document["found"]
    assert set(document["truth"]["feeds"]) == {"impressions", "clicks", "bids"}
    for feed in document["truth"]["feeds"].values():
        not_valid = sum(feed["rejected"].values()) + sum(feed["filtered"].values())
        assert feed["read"] == feed["stored"] + feed["duplicate"] + not_valid
        assert feed["duplicate"] > feed["conflict"] >= 0
        assert not_valid > 0
    assert document["truth"]["feeds"]["bids"]["conflict"] > 0
    conflicts = sum(feed["conflict"] for feed in document["truth"]["feeds"].values())
    assert document["ledger"]["total"]["conflict"] == conflicts
    assert document["ledger"]["balanced"] is True
    assert document["ledger"]["total"]["read"] == 40_000
    assert document["analysis"]["summary"]["counts"] == document["truth"]["analysis"]["counts"]
    known = document["truth"]["analysis"]
    assert document["analysis"]["correlation"]["users"] == known["clicks_feed_users"]
    for step, count in known["counts"].items():
        assert sum(campaign[step] for campaign in known["by_campaign"].values()) == count > 0
    assert 0 < known["auctions_won"] < known["counts"]["impressions"]
    assert set(known["value"]) <= set(known["gross_value"]) <= set(known["bid_value_won"])
    assert sum(known["value"].values()) < sum(known["gross_value"].values()), "some purchases are refunded"


def test_the_output_is_human_readable_and_the_data_is_kept_in_the_given_folder(cli: Cli, tmp_path: Path) -> None:
    ended = cli("demo", "--events", 2_000, "--seed", 5, "--data", "kept")

    assert ended.code == 0
    assert "OK" in ended.out
    assert "✗" not in ended.out
    assert "NOT OK" not in ended.out
    assert "It balances" in ended.out
    assert {"log.db", "store.duckdb", "sources"} <= {path.name for path in (tmp_path / "kept").iterdir()}
    assert cli("ledger", "--data", "kept", "--json").document["total"]["read"] == 2_000


@pytest.mark.parametrize("as_json", [False, True])
def test_a_pipeline_that_does_not_block_the_blocked_sites_is_reported(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    def without_blocked_sites(
        folder: Path, truth: Any, log: Any, store: Any, processing: Processing, *watching: Any
    ) -> Demonstration:
        policy = processing.policy
        assert policy.blocked_sites
        lenient = Policy(policy.negative_users, policy.blocked_users)
        return demonstrate(folder, truth, log, store, replace(processing, policy=lenient), *watching)

    monkeypatch.setattr(advertisex.cli.demo, "demonstrate", without_blocked_sites)

    ended = cli("demo", "--events", 20_000, *(["--json"] if as_json else []))

    assert ended.code == 1
    if as_json:
        assert ended.document["ok"] is False
        assert ended.document["truth"]["feeds"]["impressions"]["filtered"]["blocked_site"] > 0
        assert ended.document["found"]["feeds"]["impressions"]["filtered"]["blocked_site"] == 0
        assert ended.document["truth"]["feeds"]["clicks"] == ended.document["found"]["feeds"]["clicks"]
    else:
        wrong = [line for line in ended.out.splitlines() if line.rstrip().endswith("✗")]
        assert [line for line in wrong if "blocked_site" in line]
        assert "NOT OK" in ended.out


def test_a_catalogue_that_lacks_creatives_is_reported_per_campaign(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_a_campaign(
        folder: Path, truth: Any, log: Any, store: Any, processing: Processing, *watching: Any
    ) -> Demonstration:
        file = folder / CATALOGUE_FILE
        file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if "cmp003" not in line))
        return demonstrate(folder, truth, log, store, processing, *watching)

    monkeypatch.setattr(advertisex.cli.demo, "demonstrate", without_a_campaign)

    ended = cli("demo", "--events", 20_000)

    assert ended.code == 1
    first, *others = [line.split() for line in ended.out.splitlines() if line.startswith("by_campaign")]
    assert first == ["by_campaign", "40", "campaigns", "39", "equal", "✗"]
    assert {tuple(line[:3]) for line in others if line[-1] == "✗"} == {
        ("by_campaign:", "cmp003:", "impressions"),
        ("by_campaign:", "cmp003:", "bids"),
        ("by_campaign:", "None", "–"),
    }


def test_it_requires_an_empty_folder(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()

    ended = cli("demo", "--data", "full")

    assert ended.code == 2
    assert "needs a new or empty folder" in ended.err
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["precious"]


def test_the_next_demo_replaces_its_own_folder_and_no_other(cli: Cli, tmp_path: Path) -> None:
    for seed in (1, 2):
        ended = cli("demo", "--events", 1_000, "--seed", seed)
        assert ended.code == 0
    assert cli("ledger", "--data", "demo-data", "--json").document["total"]["read"] == 1_000
    (tmp_path / "demo-data" / "page.html").write_text("kept")
    for wrong in (["--seed", -1], ["--store", "http://127.0.0.1:1"], ["--log", "http://127.0.0.1:1"]):
        assert cli("demo", "--events", 1_000, *wrong).code == 2
    assert cli("ledger", "--data", "demo-data", "--json").document["total"]["read"] == 1_000
    with DuckdbStore(tmp_path / "demo-data" / "store.duckdb"):
        assert cli("demo", "--events", 1_000).code == 1
    assert cli("demo", "--events", 1_000).code == 0
    assert (tmp_path / "demo-data" / "page.html").read_text() == "kept"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    ended = cli("demo", "--events", 1_000, "--data", "mine")
    assert (ended.code, "choose another one with --data" in ended.err) == (2, True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_the_commands_to_try_work(cli: Cli) -> None:
    ended = cli("demo", "--events", 4_000)
    commands = [line.split() for line in ended.out.partition("Try:\n")[2].splitlines()]
    assert [command[1] for command in commands] == ["rejects", "analyze", "serve"]
    for _, *arguments in commands[:2]:  # the last one serves until it is stopped
        assert cli(*arguments).code == 0
