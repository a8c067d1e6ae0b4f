"""`advertisex reconcile`: what it assumed, what it remembers, and one-line errors."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from advertisex.settings.load import load_settings
from tests.end_to_end.conftest import Cli

REPORT = "Datum;Auftrag;Impressions;Kosten\n05.01.2026;k1;3;1.000,50\n06.01.2026;k1;1;0\nSumme;;4;1.000,50\n"
OPTIONS = ("--map", "Auftrag=campaign_id", "--map", "Kosten=cost", "--time-format", "%d.%m.%Y", "--decimal", ",")


@pytest.fixture
def filled(cli: Cli, tmp_path: Path) -> Cli:
    """Three impressions of k1 on the 5th, one of them twice, and one on the 6th; the partner has 3 and 1."""
    hours = ["05T08", "05T09", "05T09", "06T10"]
    rows = [
        {
            "user_id": f"u{hour}",
            "timestamp": f"2026-01-{hour}:00:00Z",
            "creative_id": "c1",
            "website": "a.example",
            "cost": "0.5",
        }
        for hour in hours
    ]
    (tmp_path / "impressions.ndjson").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "catalogue.csv").write_text("creative_id,campaign_id\nc1,k1\n")
    (tmp_path / "report.csv").write_text(REPORT)
    assert cli("ingest", "impressions", "impressions.ndjson").code == 0
    assert cli("process", "--catalogue", "catalogue.csv").code == 0
    return cli


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_options_are_printed_as_settings_that_read_the_next_report(filled: Cli, tmp_path: Path) -> None:
    first = filled("reconcile", "report.csv", *OPTIONS, "--partner-zone", "UTC", "--json")
    assert first.code == 0, first.err
    assert "Auftrag = campaign_id" in first.err
    kept = first.err.partition("[[partners]]")[2].replace("NAME", "acme")
    (tmp_path / "advertisex.toml").write_text(f"[[partners]]{kept}")
    (partner,) = load_settings(tmp_path / "advertisex.toml").partners
    assert (partner.zone, partner.decimal, partner.time_formats) == ("UTC", ",", ("%d.%m.%Y",))

    second = filled("reconcile", "report.csv", "--partner", "acme", "--json")
    assert "[[partners]]" not in second.err
    assert second.document == first.document
    (gap,) = first.document["gaps"]
    assert (gap["day"], gap["gap"], gap["causes"]) == ("2026-01-05", 1, "duplicates")
    assert first.document["money"][0]["theirs"] == 1000.5
    assert first.document["events"][0]["offset"] == 2


def test_csv_and_html_have_the_same_gaps(filled: Cli, tmp_path: Path) -> None:
    ended = filled("reconcile", "report.csv", *OPTIONS, "--csv", "--table", "causes")
    assert [(row["cause"], row["volume"]) for row in rows_of(ended.out)] == [("duplicates", "1")]
    assert filled("reconcile", "report.csv", *OPTIONS, "--html", "page.html").code == 0
    assert "Gaps by campaign and day" in (tmp_path / "page.html").read_text()


def test_what_was_processed_after_the_file_was_modified_is_late(filled: Cli, tmp_path: Path) -> None:
    report = tmp_path / "none.csv"
    report.write_text("day,campaign,impressions\n2026-01-05,k1,0\n2026-01-06,k1,0\n")
    os.utime(report, (1_767_700_000, 1_767_700_000))
    document = filled("reconcile", report, "--json").document
    assert document["parameters"]["report_time_from"] == "file"
    assert {row["cause"] for row in document["causes"]} == {"late_events"}
    document = filled("reconcile", report, "--report-time", "2100-01-01", "--json").document
    assert {row["cause"] for row in document["causes"]} == {"unexplained"}


def test_without_the_log_it_still_answers(filled: Cli, tmp_path: Path) -> None:
    (tmp_path / ".advertisex" / "log.db").unlink()
    document = filled("reconcile", "report.csv", *OPTIONS, "--json").document
    assert {row["cause"] for row in document["causes"]} == {"unexplained"}
    assert any("1 duplicates of impressions" in note for note in document["notes"])


def test_days_of_which_we_have_nothing_are_missing(filled: Cli, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("day,campaign,clicks,cost\n2020-01-05,k1,3,2\n2020-01-06,k2,1,1\n")
    document = filled("reconcile", "other.csv", "--json").document
    assert {row["cause"] for row in document["causes"]} == {"unknown_campaign"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["report.csv"], 1, ["report.csv", "no column for", "--map"]),
        (["nothing.csv"], 1, ["nothing.csv"]),
        (["report.csv", *OPTIONS, "--tolerance", "much"], 2, ["--tolerance", "'much'", "10%"]),
        (["report.csv", *OPTIONS, "--tolerance", "nan"], 2, ["--tolerance", "'nan'", "10%"]),
        (["report.csv", *OPTIONS, "--partner", "acme"], 2, ["--partner", "cannot be combined"]),
        (["report.csv", "--partner", "acme"], 2, ["'acme'", "[[partners]]"]),
        (["report.csv", *OPTIONS, "--partner-zone", "Mars"], 2, ["--partner-zone", "'Mars'"]),
        (["report.csv", *OPTIONS, "--since", "2027-01-01"], 1, ["report.csv", "2026-01-05", "--since"]),
        (["report.csv", *OPTIONS, "--where", "app=x"], 2, ["--where"]),
        ([], 2, ["REPORT"]),
    ],
)
def test_errors_are_one_line_with_a_hint(filled: Cli, arguments: list[Any], code: int, words: list[str]) -> None:
    ended = filled("reconcile", *arguments)
    assert ended.code == code
    assert ended.out == ""
    last = ended.err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert all(word in last for word in words), last


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("map = { Kampagne = 'campagne_id' }", ["'campagne_id'", "(partners.toml:3)", "did you mean 'campaign_id'"]),
        ("zone = 'Europe/Berln'", ["'Europe/Berln'", "(partners.toml:3)", "Europe/Paris"]),
    ],
)
def test_an_error_in_the_settings_of_a_partner_says_where(
    filled: Cli, tmp_path: Path, line: str, words: list[str]
) -> None:
    (tmp_path / "partners.toml").write_text(f"[[partners]]\nname = 'acme'\n{line}\n")
    ended = filled("reconcile", "report.csv", "--partner", "acme", "--config", "partners.toml")
    assert ended.code == 2
    assert all(word in ended.err.strip().splitlines()[-1] for word in words), ended.err
