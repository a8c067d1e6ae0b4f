"""Simulated files, read back with plain Python."""

import csv
import json
import tomllib
from datetime import datetime
from pathlib import Path

import fastavro
import polars as pl
import pytest

from advertisex.catalogue.campaigns_file import read_campaigns
from advertisex.errors import ConfigurationError, SourceError
from advertisex.model import RATE_TYPES
from advertisex.simulator import FaultRates, SimulationSettings, write_context, write_files
from advertisex.simulator.kinds import FILTERED, REJECTED
from advertisex.simulator.market import CAMPAIGNS, draw_market
from tests.simulator import oracle

MANY = FaultRates(**dict.fromkeys((*REJECTED, *FILTERED), 0.03), duplicate=0.05, conflict=0.5, late=0.05)


def test_the_files_match_the_truth(tmp_path: Path) -> None:
    progress: list[int] = []
    asked = SimulationSettings(events=60_000, seed=8, faults=MANY)
    truth = write_files(tmp_path, asked, progress.append)
    policy = tomllib.loads((tmp_path / "advertisex.toml").read_text())["policy"]
    found = {name: oracle.Tally(name, policy) for name in ("impressions", "clicks", "bids")}

    lines = (tmp_path / "impressions.ndjson").read_bytes().split(b"\n")
    assert lines.pop() == b""
    found["impressions"].add(oracle.decode("impressions", line) for line in lines)

    with (tmp_path / "clicks.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        names = ["timestamp", "user_id", "campaign", "conversion", "value", "currency", "transaction_id", "user_agent"]
        assert rows.fieldnames == names
        found["clicks"].add("undecodable" if None in row else row for row in rows)

    with (tmp_path / "bids.avro").open("rb") as file:
        reader = fastavro.reader(file)
        assert reader.codec == "deflate"
        for record in reader:
            padding = len(str(record["targeting"].get("padding", "")))  # type: ignore[index,call-overload,union-attr]
            found["bids"].add(["oversized" if padding > oracle.MEBIBYTE else oracle.flatten(record)])

    written = json.loads((tmp_path / "truth.json").read_text())
    assert written == truth.to_dict()
    assert {name: tally.as_truth(written["feeds"][name]) for name, tally in found.items()} == written["feeds"]
    with (tmp_path / "catalogue.csv").open(encoding="utf-8", newline="") as file:
        campaign_of = {row["creative_id"]: row["campaign_id"] for row in csv.DictReader(file)}
    assert oracle.analysis(found, campaign_of) == written["analysis"]
    assert progress[-1] == truth.messages == 60_000
    for feed in written["feeds"].values():
        assert {reason for reason, count in (feed["filtered"] | feed["rejected"]).items() if not count} <= {"oversized"}
        assert feed["filtered"]
        assert feed["rejected"]


def test_equal_settings_give_equal_files(tmp_path: Path) -> None:
    asked = SimulationSettings(events=3_000, seed=2)
    write_files(tmp_path / "a", asked)
    write_files(tmp_path / "b", asked)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == [
        "advertisex.toml", "bids.avro", "campaigns.csv", "catalogue.csv", "clicks.csv", "impressions.ndjson",
        "truth.json",
    ]  # fmt: skip
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_catalogue_lists_every_creative_and_depends_on_the_seed_only(tmp_path: Path) -> None:
    write_files(tmp_path / "files", SimulationSettings(events=20_000, seed=6))
    write_context(tmp_path / "context", SimulationSettings(events=7, seed=6, users=99))
    catalogue = (tmp_path / "files/catalogue.csv").read_text()
    assert (tmp_path / "context/catalogue.csv").read_text() == catalogue
    rows = list(csv.DictReader(catalogue.splitlines()))
    assert list(rows[0]) == ["creative_id", "campaign_id", "advertiser_id"]
    known = {row["creative_id"] for row in rows}
    assert len(known) == len(rows)
    with (tmp_path / "files/bids.avro").open("rb") as file:
        used = {oracle.flatten(record)["creative_id"] for record in fastavro.reader(file)}
    plain = {creative for creative in used if creative.isprintable()}
    assert plain <= known


def test_what_is_booked_is_valid_and_covers_the_traffic_of_every_campaign(tmp_path: Path) -> None:
    asked = SimulationSettings(events=500_000, seed=6)
    write_context(tmp_path, asked)
    flights = read_campaigns(tmp_path / "campaigns.csv")
    market = draw_market(6, users=1)
    assert flights["campaign_id"].unique().sort().to_list() == sorted({row[1] for row in market.catalogue_rows})
    covered = flights.filter(pl.col("start") <= datetime(2026, 1, 5), pl.col("end") > datetime(2026, 1, 5))
    assert covered.height == CAMPAIGNS
    days = (flights["end"] - flights["start"]).dt.total_days()
    won = 500_000 / market.messages_per_bid * market.campaign_share * market.win_rate / 7
    expected = days * pl.Series([won[int(name[3:])] for name in flights["campaign_id"]])
    assert (flights["impressions"] / expected).is_between(0.6, 1.5).all()
    assert set(flights["rate_type"]) == set(RATE_TYPES)
    assert flights["budget"].min() > 0  # type: ignore[operator]


def test_the_error_of_an_unwritable_folder_contains_its_path(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SourceError, match="taken"):
        write_files(tmp_path / "taken", SimulationSettings(events=10))


OWN = [
    "advertisex.toml",
    "catalogue.csv",
    "campaigns.csv",
    "truth.json",
    "impressions.ndjson",
    "clicks.csv",
    "bids.avro",
]


@pytest.mark.parametrize("name", OWN)
def test_files_that_the_simulator_did_not_write_are_never_overwritten(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigurationError, match=f"overwrite a file that it did not write .*{name}.*; choose an empty"):
        write_files(tmp_path, SimulationSettings(events=10))
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_the_context_overwrites_no_foreign_file_and_ignores_unrelated_ones(tmp_path: Path) -> None:
    (tmp_path / "log.db").touch()
    (tmp_path / "clicks.csv").write_text("mine")
    write_context(tmp_path, SimulationSettings(events=10))
    assert (tmp_path / "clicks.csv").read_text() == "mine"
    (tmp_path / "advertisex.toml").unlink()
    before = (tmp_path / "catalogue.csv").read_bytes()
    with pytest.raises(ConfigurationError, match=r"catalogue\.csv"):
        write_context(tmp_path, SimulationSettings(events=10, seed=2))
    assert (tmp_path / "catalogue.csv").read_bytes() == before


def test_files_of_an_earlier_simulation_are_overwritten(tmp_path: Path) -> None:
    write_files(tmp_path, SimulationSettings(events=10))
    assert write_files(tmp_path, SimulationSettings(events=20)).messages == 20


@pytest.mark.parametrize("name", ["taken", "taken/below"])
def test_a_file_in_place_of_the_folder_is_reported(name: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SourceError, match="it is a file; choose a folder with --data or --out"):
        write_context(tmp_path / name, SimulationSettings(events=10))
