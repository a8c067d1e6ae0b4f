"""Sources of the settings, read by name."""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import Cli

SETTINGS = """\
[[sources]]
name = "shop"
feed = "clicks"
source = "shop.csv"
map = { who = "user_id" }

[[sources]]
name = "web"
feed = "impressions"
source = "web/*.ndjson"
"""
CLICKS = "who,timestamp,campaign_id,clicks\nu,2026-01-05T09:00:00Z,c,1\nv,2026-01-05T09:00:00Z,c,1\n"
IMPRESSION = '{"creative_id": "c", "user_id": "u", "timestamp": "2026-01-05T09:00:00Z", "website": "a.example"}\n'


@pytest.fixture(autouse=True)
def places(tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text(SETTINGS)
    (tmp_path / "shop.csv").write_text(CLICKS)
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "a.ndjson").write_text(IMPRESSION)


def test_sources_are_ingested_by_name(cli: Cli, tmp_path: Path) -> None:
    found = cli("ingest", "--source", "shop", "--source", "web", "--json").document["ingested"]
    assert [(one["name"], one["feed"], one["messages"]) for one in found] == [
        ("shop", "clicks", 2),
        ("web", "impressions", 1),
    ]
    with (tmp_path / "shop.csv").open("a") as file:
        file.write(CLICKS.splitlines()[1] + "\n")
    printed = cli("ingest", "--source", "shop").out
    assert "Appended clicks of shop to the log" in printed


def test_a_source_that_fails_does_not_stop_the_others(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "shop.csv").unlink()
    ended = cli("ingest", "--source", "shop", "--source", "web")
    assert (ended.code, ended.err.count("no such file")) == (1, 1)
    assert "Appended impressions of web to the log" in ended.out


def test_a_source_is_previewed_by_name(cli: Cli) -> None:
    found = cli("preview", "--source", "shop", "--json").document
    assert (found["feed"], found["missing"], found["results"][0]["kind"]) == ("clicks", [], "stored")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["ingest", "--source", "nobody"],
            "no source is named 'nobody' in the settings",
        ),
        (["ingest", "clicks", "a.csv", "--source", "shop"], "FEED and SOURCE cannot be combined with --source"),
        (["ingest", "clicks", "--source", "shop"], "FEED and SOURCE cannot be combined with --source"),
        (["ingest", "--source", "shop", "--map", "a=user_id"], "--map cannot be combined with --source"),
        (["ingest", "--source", "shop", "--multiline"], "--multiline cannot be combined with --source"),
        (["ingest", "--source", "shop", "--since", "2026-01-01"], "--since cannot be combined with --source"),
        (["ingest", "--source", "shop", "--attempts", "0"], "--attempts"),
        (["ingest", "--source", "shop", "--source", "web", "--follow"], "`advertisex run` follows all of them"),
        (["ingest"], "missing argument FEED"),
        (["ingest", "clicks"], "missing argument SOURCE"),
        (["ingest", "views", "a.csv"], "unknown feed 'views'"),
        (["preview"], "missing argument FEED"),
        (["preview", "--source", "shop", "--source", "web"], "preview one source at a time"),
        (["preview", "--source", "nobody"], "no source is named 'nobody'"),
        (["preview", "--source", " "], "the name of a source is empty (--source); use one of "),
        (["ingest", "--source", ""], "the name of a source is empty (--source); use one of "),
        (["ingest", "--source="], "the name of a source is empty (--source); use one of "),
    ],
)
def test_arguments_that_contradict_each_other_are_rejected(cli: Cli, arguments: list[str], message: str) -> None:
    ended = cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err
    assert not Path(".advertisex").exists()
