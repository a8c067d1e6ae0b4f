"""A partner's report is read as it is meant, or not at all."""

import os
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from advertisex.analysis.reconciliation.partner_report import PartnerReport, left_out_text, read_report
from advertisex.errors import ConfigurationError, SourceError
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.ingest import IngestOptions


def read(tmp_path: Path, text: str, options: IngestOptions = IngestOptions(), name: str = "r.csv") -> PartnerReport:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return read_report(file, options)


def test_usual_columns_are_found_rows_add_up_and_totals_are_left_out(tmp_path: Path) -> None:
    report = read(
        tmp_path,
        "Campaign ID,Date,Impr.,Clicks,Spend,Currency,Device\n"
        "k1,2026-01-05,100,3,12.5,eur,phone\n"
        "k1,2026-01-05,1,,0.25,EUR,tv\n"
        "k2,2026-01-06,7,0,1,EUR,tv\n"
        "Total,,108,3,13.75,,\n"
        ",,108,3,13.75,,\n",
    )

    assert report.rows.select("campaign_id", "day", "impressions", "clicks", "cost", "currency").rows() == [
        ("k1", date(2026, 1, 5), 101, 3, Decimal("12.75"), "EUR"),
        ("k2", date(2026, 1, 6), 7, 0, Decimal(1), "EUR"),
    ]
    assert report.measures == ("impressions", "clicks", "cost")
    assert report.columns["Spend"] == "cost"
    assert report.columns["Device"] is None
    assert report.left_out["total row"] == 2


def test_a_day_is_the_one_that_is_written_whatever_its_offset(tmp_path: Path) -> None:
    report = read(tmp_path, "campaign,hour,clicks\nk1,2026-01-05T00:30:00+02:00,1\nk1,2026-01-05 23:00:00,2\n")
    assert report.rows.select("day", "clicks").rows() == [(date(2026, 1, 5), 3)]


def test_other_notations_and_names_are_given(tmp_path: Path) -> None:
    options = IngestOptions(
        dialect=CsvDialect(decimal=","),
        mapping=FieldMapping({"Order": "campaign_id"}, {"currency": "CHF"}, ("%d.%m.%Y",)),
    )
    report = read(tmp_path, "Tag;Order;Impressions;Cost\n05.01.2026;k1;1.000;12,5\n", options)
    assert report.rows.select("day", "impressions", "cost", "currency").rows() == [
        (date(2026, 1, 5), 1000, Decimal("12.5"), "CHF")
    ]


def test_json_is_read_too_and_the_time_of_the_file_is_known(tmp_path: Path) -> None:
    text = '[{"date": "2026-01-05", "campaign_id": "k1", "conversions": 2, "revenue": 9.99}]'
    (tmp_path / "r.json").write_text(text)
    os.utime(tmp_path / "r.json", (1_767_700_000, 1_767_700_000))
    report = read_report(tmp_path / "r.json")
    assert report.rows.select("conversions", "revenue").rows() == [(2, Decimal("9.99"))]
    assert report.modified == datetime(2026, 1, 6, 11, 46, 40)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("date,campaign,clicks\n2026-01-05,k1,1\n01/02/2026,k1,3\n", r"got '01/02/2026' \(.*r.csv:3\)"),
        ("date,campaign,clicks\n2026-01-05,k1,many\n", "clicks: must be a whole number"),
        ("date,campaign,clicks\n2026-01-05,k1,-1\n", "clicks: must be 0 or more"),
        ('date,campaign,clicks\n2026-01-05,k1,"1,000"\n', "--decimal or --thousands"),
        ("date,campaign,cost\n2026-01-05,k1,$5\n", "cost: must be a number"),
        ("date,order,clicks\n2026-01-05,k1,1\n", "no column for campaign_id; its columns are date, order, clicks"),
        ("date,campaign,users\n2026-01-05,k1,1\n", "no column for impressions, clicks"),
        ("date,campaign,clicks\nTotal,,5\n", "the report has no rows"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_says_where(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(SourceError, match=what):
        read(tmp_path, text)


def test_a_field_that_a_report_does_not_have_is_an_error(tmp_path: Path) -> None:
    options = IngestOptions(mapping=FieldMapping({"clicks": "user_id"}))
    with pytest.raises(ConfigurationError, match="user_id"):
        read(tmp_path, "date,campaign,clicks\n2026-01-05,k1,1\n", options)


def test_two_columns_of_one_field_are_an_error_until_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("Date,Campaign,Impressions,Imps\n2026-03-02,k1,102,103\n")
    with pytest.raises(SourceError, match="the columns Impressions, Imps are all read as impressions") as caught:
        read_report(path)
    assert "--map 'Impressions=impressions'" in caught.value.hint
    for column, number in (("Impressions", 102), ("Imps", 103)):
        named = IngestOptions(mapping=FieldMapping(rename={column: "impressions"}))
        assert read_report(path, named).rows["impressions"].to_list() == [number]


def test_empty_cells_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("Date,Campaign,Impressions,Clicks\n2026-03-02,k1,,1\n2026-03-03,k1,5,\n2026-03-04,k1,,\n")
    report = read_report(path)
    assert report.rows["impressions"].to_list() == [0, 5, 0]
    assert list(left_out_text(report)) == ["4 empty cells of the report read as 0"]
