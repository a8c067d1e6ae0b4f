"""`advertisex catalogue`, and what `process` does with a catalogue."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advertisex.cli.workers import command_of_worker

Cli = Callable[..., Any]

OLD = "creative_id,campaign_id,advertiser_id,valid_from\nc1,k1,a1,\nc2,k2,a1,\n"
MOVED = OLD.replace("c1,k1", "c1,k9") + "c3,k3,,\n"
MOVED_LATER = OLD + "c1,k9,a1,2026-02-01\n"
CAMPAIGNS = (
    "campaign_id,start,end,budget,impressions,rate_type,rate,currency,clicks\n"
    "k1,2026-01-01,2026-01-31,1000,400000,cpm,2.5,EUR,\nk2,2026-01-05,2026-01-20,,,,,,500\n"
)


@pytest.fixture
def files(tmp_path: Path) -> None:
    for name, text in (("old", OLD), ("moved", MOVED), ("later", MOVED_LATER)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")


def change(**counts: int) -> dict[str, int]:
    return {"added": 0, "removed": 0, "moved": 0, "advertiser": 0} | counts


def flight_change(**counts: int) -> dict[str, int]:
    return {"flights_added": 0, "flights_removed": 0, "flights_changed": 0} | counts


@pytest.mark.usefixtures("files")
def test_an_import_prints_what_it_changes(cli: Cli) -> None:
    first = cli("catalogue", "import", "old.csv", "--json").document
    assert first.pop("imported_at").endswith("Z")
    assert first == {
        "creatives": 2, "campaigns": 2, "flights": 0, "identical": False, **change(added=2),
        "campaigns_concerned": ["k1", "k2"], "campaigns_rewritten": [],
        **flight_change(), "campaigns_with_other_flights": [],
    }  # fmt: skip

    again = cli("catalogue", "import", "old.csv", "--json").document
    assert (again["imported_at"], again["identical"]) == (None, True)
    assert cli("catalogue", "import", "old.csv").out == (
        "The store has the same catalogue already; nothing was imported.\n"
    )

    moved = cli("catalogue", "import", "moved.csv")
    assert moved.code == 0
    assert "Imported moved.csv at 20" in moved.out
    assert "3 creatives of 3 campaigns" in moved.out
    assert "Creatives: 1 added, 0 removed, 1 moved, 0 with another advertiser.\n" in moved.out
    assert "Campaigns concerned: k1, k3, k9.\n" in moved.out
    assert "warning: this rewrites the past of k1, k9: 1 creative changes campaign" in moved.out
    assert "add one with valid_from" in moved.out


@pytest.mark.usefixtures("files")
def test_a_move_from_a_date_on_rewrites_nothing(cli: Cli) -> None:
    cli("catalogue", "import", "old.csv")

    document = cli("catalogue", "diff", "later.csv", "--json").document
    shown = cli("catalogue", "diff", "later.csv").out

    assert (document["moved"], document["campaigns_rewritten"]) == (1, [])
    assert document["changes"] == [
        {
            "creative_id": "c1", "change": "moved", "valid_from": "2026-02-01T00:00:00Z", "rewrites": False,
            "campaign_before": "k1", "campaign_after": "k9", "advertiser_before": "a1", "advertiser_after": "a1",
        }
    ]  # fmt: skip
    assert "2026-02-01 00:00:00 UTC" in shown
    assert "warning" not in shown + cli("catalogue", "import", "later.csv").out


@pytest.mark.usefixtures("files")
def test_a_comparison_imports_nothing(cli: Cli, tmp_path: Path) -> None:
    new = cli("catalogue", "diff", "old.csv", "--json").document
    assert new["added"] == 2
    assert not (tmp_path / ".advertisex").exists()

    cli("catalogue", "import", "old.csv")
    assert "warning: this rewrites the past of k1, k9" in cli("catalogue", "diff", "moved.csv").out
    assert cli("catalogue", "diff", "old.csv").out == "The store has the same catalogue.\n"
    assert len(cli("catalogue", "history", "--json").document["imports"]) == 1


@pytest.mark.usefixtures("files")
def test_many_changes_are_limited_in_the_table_only(cli: Cli, tmp_path: Path) -> None:
    rows = "".join(f"c{number},k\n" for number in range(1_234))
    (tmp_path / "many.csv").write_text("creative_id,campaign_id\n" + rows, encoding="utf-8")

    assert "… and 1,134 more; --json lists all." in cli("catalogue", "diff", "many.csv").out
    assert len(cli("catalogue", "diff", "many.csv", "--json").document["changes"]) == 1_234


@pytest.mark.usefixtures("files")
def test_the_catalogue_is_shown_as_of_a_time_and_by_id(cli: Cli) -> None:
    first = cli("catalogue", "import", "old.csv", "--json").document["imported_at"]
    cli("catalogue", "import", "later.csv")

    def rows(*options: str) -> list[tuple[str, ...]]:
        found = cli("catalogue", "show", "--json", *options).document["rows"]
        return [(row["creative_id"], row["campaign_id"], row["valid_from"]) for row in found]

    later = "2026-02-01T00:00:00Z"
    assert rows() == [("c1", "k1", None), ("c1", "k9", later), ("c2", "k2", None)]
    assert rows("--as-of", first) == [("c1", "k1", None), ("c2", "k2", None)]
    assert rows("--as-of", "2020-01-01") == []
    assert rows("--creative", "c1") == [("c1", "k1", None), ("c1", "k9", later)]
    assert rows("--campaign", "k2") == [("c2", "k2", None)]
    shown = cli("catalogue", "show").out
    assert shown.splitlines()[2].split() == ["c1", "k1", "a1", "always"]
    assert "Imported at 20" in shown
    assert cli("catalogue", "show", "--as-of", "2020-01-01").out.startswith("No catalogue had been imported by 2020")


@pytest.mark.usefixtures("files")
def test_the_history_lists_every_import(cli: Cli) -> None:
    for name in ("old", "moved", "later"):
        cli("catalogue", "import", f"{name}.csv")

    imports = cli("catalogue", "history", "--json").document["imports"]
    *_, last = cli("catalogue", "history").out.splitlines()

    assert [(one["creatives"], one["added"], one["removed"], one["moved"]) for one in imports] == [
        (2, 2, 0, 0), (3, 1, 0, 1), (2, 0, 1, 1),
    ]  # fmt: skip
    assert [one["imported_at"] for one in imports] == sorted(one["imported_at"] for one in imports)
    assert last.split()[3:] == ["2", "3", "0", "0", "1", "1", "0", "3", "0"]


@pytest.mark.usefixtures("files")
def test_campaigns_are_imported_shown_and_compared(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "campaigns.csv").write_text(CAMPAIGNS, encoding="utf-8")
    (tmp_path / "longer.csv").write_text(CAMPAIGNS.replace("2026-01-31,1000", "2026-02-28,1000"), encoding="utf-8")
    first = cli("catalogue", "import", "campaigns.csv", "old.csv")
    assert "2 creatives of 2 campaigns, 2 flights.\n" in first.out
    assert "Flights: 2 added, 0 removed, 0 changed.\nCampaigns with other flights: k1, k2.\n" in first.out

    document = cli("catalogue", "diff", "longer.csv", "--json").document
    assert (document["identical"], document["changes"]) == (False, [])
    assert document["campaigns_with_other_flights"] == ["k1"]
    assert document | flight_change(flights_changed=1) == document
    assert document["flight_changes"] == [{
        "campaign_id": "k1", "start": "2026-01-01T00:00:00Z", "change": "changed", "field": "end",
        "before": "2026-02-01T00:00:00Z", "after": "2026-03-01T00:00:00Z",
    }]  # fmt: skip
    shown = cli("catalogue", "diff", "longer.csv").out
    assert shown.splitlines()[2].split() == ["k1", "2026-01-01", "changed", "end", "2026-02-01", "2026-03-01"]
    assert "Creatives:" not in shown

    flights = cli("catalogue", "show", "--flights", "--json").document["flights"]
    assert [flight["campaign_id"] for flight in flights] == ["k1", "k2"]
    assert flights[0] == {
        "campaign_id": "k1", "start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z", "budget": 1000,
        "impressions": 400000, "clicks": None, "conversions": None, "rate_type": "cpm", "rate": 2.5, "currency": "EUR",
    }  # fmt: skip
    table = cli("catalogue", "show", "--flights", "--campaign", "k1").out.splitlines()
    expected = ["k1", "2026-01-01", "2026-02-01", "1,000.00", "400,000", "–", "–", "2.50", "cpm", "EUR"]
    assert table[2].split() == expected
    assert cli("catalogue", "show", "--json").document["rows"][0]["creative_id"] == "c1"
    assert cli("catalogue", "show", "--flights", "--creative", "c1").code == 2

    cli("catalogue", "import", "longer.csv")
    imports = cli("catalogue", "history", "--json").document["imports"]
    assert [(one["creatives"], one["flights"], one["flights_changed"]) for one in imports] == [(2, 2, 0), (2, 2, 1)]


@pytest.mark.usefixtures("files")
def test_a_catalogue_of_an_error_is_not_imported_in_part(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "campaigns.csv").write_text(CAMPAIGNS.replace("EUR", "EUP"), encoding="utf-8")

    ended = cli("catalogue", "import", "old.csv", "campaigns.csv")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: unknown currency 'EUP' (campaigns.csv:2); write a code of ISO 4217, such as EUR\n"
    assert not (tmp_path / ".advertisex/store.duckdb").exists()


@pytest.mark.parametrize("command", ["show", "history"])
def test_a_store_without_a_catalogue(cli: Cli, command: str, tmp_path: Path) -> None:
    assert cli("catalogue", command).code == 1  # there is no store either
    processed(cli, tmp_path, "c1")

    assert "advertisex catalogue import FILE" in cli("catalogue", command).out


@pytest.mark.parametrize("command", ["import", "diff"])
def test_an_invalid_file_is_reported_in_one_line(cli: Cli, tmp_path: Path, command: str) -> None:
    (tmp_path / "bad.csv").write_text("creative_id,campaign_id\nc1,\n", encoding="utf-8")

    ended = cli("catalogue", command, "bad.csv")

    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error: empty creative_id or campaign_id (bad.csv:2); give both in each row")
    assert not (tmp_path / ".advertisex").exists()


# -- process -------------------------------------------------------------------------------------------------------


def processed(cli: Cli, folder: Path, *creatives: str, options: tuple[str, ...] = ()) -> Any:
    """Process one impression of each creative, and one click of the campaign k1."""
    shown = [
        {"user_id": f"u{n}", "timestamp": "2026-01-05T10:00:00Z", "website": "a.example", "creative_id": creative}
        for n, creative in enumerate(creatives)
    ]
    (folder / "shown.ndjson").write_text("\n".join(map(json.dumps, shown)), encoding="utf-8")
    click = "timestamp,user_id,campaign_id,conversion_type,currency\n2026-01-05T10:00:01Z,u1,k1,click,Taler\n"
    (folder / "clicks.csv").write_text(click, encoding="utf-8")
    assert cli("ingest", "impressions", "shown.ndjson").code == 0
    assert cli("ingest", "clicks", "clicks.csv").code == 0
    return cli("process", *options)


@pytest.mark.usefixtures("files")
def test_process_imports_a_catalogue_that_has_changed(cli: Cli, tmp_path: Path) -> None:
    first = processed(cli, tmp_path, "c1", options=("--catalogue", "old.csv"))
    assert first.err == "imported the catalogue old.csv: 2 added, 0 removed, 0 moved, 0 with another advertiser\n"

    (tmp_path / "advertisex.toml").write_text("catalogue = 'old.csv'", encoding="utf-8")
    assert cli("process").err == ""
    (tmp_path / "old.csv").write_text(MOVED, encoding="utf-8")
    moved = cli("process")

    imported, warning = moved.err.splitlines()
    assert imported == "imported the catalogue old.csv: 1 added, 0 removed, 1 moved, 0 with another advertiser"
    assert warning.startswith("warning: this rewrites the past of k1, k9")
    assert len(cli("catalogue", "history", "--json").document["imports"]) == 2
    by_campaign = cli("analyze", "funnel", "--by", "campaign_id", "--json").document["rows"]
    assert {row["campaign_id"]: row["impressions"] for row in by_campaign}["k9"] == 1


@pytest.mark.usefixtures("files")
def test_process_imports_both_files_of_a_catalogue(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "campaigns.csv").write_text(CAMPAIGNS, encoding="utf-8")
    flags = ("--catalogue", "old.csv", "--catalogue", "campaigns.csv")
    changes = "2 added, 0 removed, 0 moved, 0 with another advertiser; flights: 2 added, 0 removed, 0 changed"

    assert processed(cli, tmp_path, "c1", options=flags).err == (
        f"imported the catalogue old.csv, campaigns.csv: {changes}\n"
    )
    (tmp_path / "advertisex.toml").write_text("catalogue = ['old.csv', 'campaigns.csv']", encoding="utf-8")
    assert cli("process").err == ""
    assert "2 creatives of 2 campaigns, 2 flights" in cli("doctor").out


@pytest.mark.usefixtures("files")
def test_process_reports_what_the_catalogue_does_not_know(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("creative_id,campaign_id\nc1,k7\n", encoding="utf-8")

    ended = processed(cli, tmp_path, "c1", "c8", "c8", "c9", options=("--catalogue", "other.csv"))

    assert ended.out.splitlines()[-3:] == [
        "impressions: 2 creatives unknown to the catalogue, in 3 events of this run (c8, c9); "
        "run `advertisex catalogue import FILE`.",
        "clicks: 1 campaign unknown to the catalogue, in 1 event of this run (k1); "
        "run `advertisex catalogue import FILE`.",
        "clicks: 1 currency unknown to ISO 4217, in 1 event of this run (Taler).",
    ]


def test_the_json_of_process_has_what_is_unknown_under_a_key_of_its_own(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("creative_id,campaign_id\nc1,k7\n", encoding="utf-8")

    document = processed(cli, tmp_path, "c1", "c8", options=("--catalogue", "other.csv", "--json")).document

    assert document.pop("unknown") == {
        "has_catalogue": True,
        "creatives": [{"feed": "impressions", "ids": 1, "at_least": False, "events": 1, "examples": ["c8"]}],
        "campaigns": [{"feed": "clicks", "ids": 1, "at_least": False, "events": 1, "examples": ["k1"]}],
        "currencies": [{"feed": "clicks", "ids": 1, "at_least": False, "events": 1, "examples": ["Taler"]}],
    }
    ledger = cli("ledger", "--json").document
    assert document["total"] == ledger["total"]
    assert document["rows"] == ledger["rows"]


def test_process_says_if_no_catalogue_was_ever_imported(cli: Cli, tmp_path: Path) -> None:
    line = (
        "No catalogue has been imported, so impressions and bids have no campaign; "
        "run `advertisex catalogue import FILE`."
    )
    assert line in processed(cli, tmp_path, "c1").out.splitlines()
    assert "catalogue" not in cli("process").out, "a run without events needs none"
    unknown = cli("process", "--json").document["unknown"]
    assert unknown == {"has_catalogue": False, "creatives": [], "campaigns": [], "currencies": []}


def test_only_the_parent_of_workers_imports(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("creative_id,campaign_id\nc1,k7\n", encoding="utf-8")
    command = command_of_worker(["process", "--workers", "2", "--catalogue", "other.csv"], 0)

    ended = processed(cli, tmp_path, "c1", options=tuple(command[1:]))

    assert ended.code == 0
    assert cli("catalogue", "history", "--json").document == {"imports": []}
