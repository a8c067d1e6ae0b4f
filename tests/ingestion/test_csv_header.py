"""Where a table begins, and which of its rows are not data."""

import gzip
from typing import Any

import pytest

from advertisex.errors import SourceError
from advertisex.feeds import FEEDS
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.naming import Naming
from tests.ingestion.csv_reading import CLICKS, read

NONE = FieldMapping()


def test_a_header_in_words_maps_to_the_fields_of_the_feed() -> None:
    case_study = ["Creative Id", "User Id", "TImestamp", "Website", "Position"]
    naming = Naming(FEEDS["impressions"], NONE)
    columns = naming.columns(case_study)
    assert columns == ["creative_id", "user_id", "timestamp", "website", "Position"]
    assert (naming.known(columns), naming.is_complete(columns)) == (4, True)


def test_mapped_and_ambiguous_columns_keep_their_names() -> None:
    naming = Naming(FEEDS["impressions"], FieldMapping(rename={"User Id": "creative_id"}))
    assert naming.columns(["User Id", "Website", "website"]) == ["User Id", "Website", "website"]


def test_a_mapped_column_and_a_constant_count_as_required_fields() -> None:
    mapping = FieldMapping({"when": "timestamp", "who": "user_id"}, {"campaign": "c"})
    naming = Naming(CLICKS, mapping)
    assert naming.is_complete(["who", "when"])
    assert not naming.is_complete(["who"])


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"timestamp,user_id,campaign\n1,u,c\n", 1),
        (b"\n\nTimestamp;User Id;Campaign\n1;u;c\n", 3),
        (b"Campaign performance\nDate,1/5/26\n\nCampaign,Date,Clicks\nc,2026-01-05,1\n", 4),
        (b"Campaign,c\nClicks,7\nuser_id,timestamp,campaign,extra\nu,1,c,x\n", 3),
        (b'"Report, ""x"""\n"user_id","timestamp","cam\npaign"\nu,1,c\n', 2),
        (b"'user_id','timestamp'\n'u','1'\n", 1),
        (b'"Report\nuser_id,timestamp,campaign\nu,1,c\n', 2),
        (b"x\n" * 99 + b"user_id,timestamp,y\nu,1,c\n", 100),
    ],
)
def test_the_header_is_the_row_that_names_the_most_fields(data: bytes, line: int) -> None:
    seen = read(data, mapping=NONE)
    assert seen.reading.detected["header"] == f"line {line}"
    assert seen.reading.skipped.get("preamble", 0) == line - 1
    assert len(seen.good) == 1
    assert seen.bad == []


@pytest.mark.parametrize(
    "data",
    [
        b"u1,2026-01-05,c1,click\nu2,2026-01-05,c2,conversion\nu3,2026-01-05,c3,click\n",
        b"u1,2026-01-05,c1,app\nu2,2026-01-05,value,conversion\n",
        b'u1,"2026-01-05\nu2,2026-01-05,c2,conversion\n',
        b"x\n" * 100 + b"user_id,timestamp,campaign\n",
    ],
)
def test_a_table_without_a_header_is_an_error_and_loses_no_row(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"x.csv:1\)"):
        read(data, mapping=NONE)


@pytest.mark.parametrize(
    "row",
    [
        b"u1,2026-01-05 09:00:00,c1,click,5,EUR",
        b"u1,2026-01-05 09:00:00,c1,click,5,EUR,,",
        b"u1,2026-01-05 09:00:00,c1",
        b"u1,5 Jan 2026,c1,click,,",
        b"u1,1767603600,c1,click,,",
        b"2026-01-05T09:00:00Z,u1,c1,click,5,EUR",  # in another order
        b'u1,"Jan 5, 2026","c,1",click,5,EUR',
    ],
)
def test_a_row_before_the_header_is_an_error(row: bytes) -> None:
    data = (
        b"Report\n"
        + row
        + b"\n\nuser_id,timestamp,campaign_id,conversion_type,value,currency\nu,2026-01-05,c,click,5,EUR\n"
    )
    with pytest.raises(SourceError, match=r"header is in line 4 \(x.csv:2\); .*--columns .* --skip 3"):
        read(data, mapping=NONE)
    assert read(data, mapping=NONE, skip=3).reading.skipped == {"preamble": 3, "header": 1}


def test_a_row_before_a_header_without_a_time_is_an_error() -> None:
    mapping = FieldMapping({}, {"timestamp": "2026-01-05"})
    with pytest.raises(SourceError, match=r"x.csv:1\); .*--skip 1"):
        read(b"u,c,click\nuser_id,campaign_id,conversion_type\n", mapping=mapping)


@pytest.mark.parametrize(
    "preamble",
    [
        b"Date range,2026-01-05",
        b"Date range,2026-01-05 - 2026-01-06,,,",
        b"Date range,2026-01-05,,,,",
        b"Dimensions,,,Measures,",
        b"Campaign report,Q1 2026,All brands",
    ],
)
def test_a_preamble_is_not_a_row(preamble: bytes) -> None:
    seen = read(preamble + b"\nuser_id,timestamp,campaign_id,clicks,value\nu,2026-01-05,c,1,5\n", mapping=NONE)
    assert seen.reading.skipped == {"preamble": 1, "header": 1}


@pytest.mark.parametrize(
    "data",
    [
        b"user_id,m\xe4rke\nu1,x\nu2,y\n",
        b'user_id,"b\nu1,x\nu2,y\n',
        b'user_id,"b\n' + b"u1,x\n" * 300_000,
    ],
)
def test_an_unreadable_header_is_an_error(data: bytes) -> None:
    with pytest.raises(SourceError, match=r"could not read the header \(x.csv:1\); encode it .*--encoding.*--columns"):
        read(data, mapping=NONE)


def test_a_duplicate_column_in_the_header_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"duplicate column in the header: 'a' \(x.csv:1\); rename"):
        read(b"a,b,a\n1,2,3\n")


def test_a_header_of_100_000_columns_is_read() -> None:
    header = ",".join(f"column {index}" for index in range(100_000)).encode()
    row = b",".join([b"1"] * 100_000)
    (only,) = read(header + b",user_id\n" + row + b",u\n", mapping=NONE).rows
    assert len(only) == 100_001
    with pytest.raises(SourceError, match=r"'column 0', 'column 1', 'column 10', … \(x.csv:1\)") as raised:
        read(header + b"," + header + b",user_id\n" + row, mapping=NONE)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        ({}, True),
        ({"mapping": FieldMapping({"who": "user_id"}, {"website": "w"})}, True),
        ({"columns": ("user_id", "timestamp", "website")}, False),
        ({"mapping": FieldMapping({"u1": "user_id"})}, False),
        (
            {"mapping": FieldMapping({}, {"user_id": "u", "event_timestamp": "0", "website": "w", "creative": "c"})},
            False,
        ),
    ],
)
def test_a_file_without_a_header_does_not_lose_its_first_row(options: Any, reported: bool, tmp_path, ingested) -> None:
    (tmp_path / "x.csv").write_bytes(b"u1,2026-01-05,https://a.example\nu2,2026-01-05,https://b.example\n")
    seen = ingested("impressions", tmp_path / "x.csv", **options)
    messages = [str(failure) for failure in seen.failures]
    assert ["none of the 3 columns in the header is a field" in text for text in messages] == [True] * reported
    assert not any("u1" in text for text in messages)  # the message may be logged
    assert all("x.csv:1); name the columns with --columns, or map them with --map" in text for text in messages)
    assert bool(seen.messages) is not reported


HEADER = "user_id,timestamp,campaign,value"


@pytest.mark.parametrize(
    ("again", "rows"),
    [
        (HEADER, [{"user_id": "1", "timestamp": "2", "campaign": "3", "value": "4"}]),
        ("\ufeff\ufeff" + HEADER, [{"user_id": "1", "timestamp": "2", "campaign": "3", "value": "4"}]),
        (
            '"value" , user_id,timestamp,campaign',
            [{"value": "1", "user_id": "2", "timestamp": "3", "campaign": "4"}],
        ),
        (
            "timestamp,user_id,campaign,currency,app",
            [{"timestamp": "1", "user_id": "2", "campaign": "3", "currency": "4"}],
        ),
        ("Timestamp,Campaign,User ID,VALUE", [{"timestamp": "1", "campaign": "2", "user_id": "3", "value": "4"}]),
        (
            "value,event_timestamp,campaign_id,user-id",
            [{"value": "1", "event_timestamp": "2", "campaign_id": "3", "user_id": "4"}],
        ),
        ("Event Timestamp,Campaign ID,User ID", [{"event_timestamp": "1", "campaign_id": "2", "user_id": "3"}]),
        ("time,campaign,user_id,value", [{"time": "1", "campaign": "2", "user_id": "3", "value": "4"}]),
        ("day,user_id,value", [{"day": "1", "user_id": "2", "value": "3"}]),
    ],
)
def test_a_repeated_header_is_not_a_message_and_its_order_applies_from_there(again: str, rows: list[Any]) -> None:
    first = f"{HEADER}\nu,2026,c,9\n".encode()
    second = f"{again}\n{','.join('1234'[: min(again.count(',') + 1, 4)])}\n".encode()
    for compressed in (False, True):
        data = gzip.compress(first) + gzip.compress(second) if compressed else first + second
        seen = read(data, mapping=NONE, compressed=compressed)
        assert seen.rows == [{"user_id": "u", "timestamp": "2026", "campaign": "c", "value": "9"}, *rows]
        assert seen.reading.skipped == {"header": 1, "repeated header": 1}
        others = {"currency", "day", "time"} & set(again.split(",")) or again.count(",") < 3
        assert bool(seen.reading.warnings) == bool(others)
        assert seen.lines == [2, 4]


JOINED = {"value": "1", "timestamp": "2026-01-06", "user_id": "v", "campaign": "d"}


@pytest.mark.parametrize(
    ("last", "value"),
    [("u,2026-01-05,c,9", "9"), ("u,2026-01-05,c,", ""), ("u,2026-01-05", None), ('"u","2026-01-05","c","9"', "9")],
)
@pytest.mark.parametrize(
    "again",
    [
        HEADER,
        "\ufeff" + HEADER,
        '"value","Timestamp","user id","campaign"',
        "value,event_timestamp,user_id,campaign_id",
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_header_after_a_row_without_a_line_end_begins_a_table(
    last: str, value: str | None, again: str, compressed: bool
) -> None:
    first = f"{HEADER}\nu,2026-01-05,c,8\n{last}".encode()
    cells = ["v", "2026-01-06", "d", "1"] if HEADER in again else ["1", "2026-01-06", "v", "d"]
    second = f"{again}\n{','.join(cells)}\n".encode()
    seen = read(
        gzip.compress(first) + gzip.compress(second) if compressed else first + second,
        mapping=NONE,
        compressed=compressed,
    )
    (_, row, after) = seen.good
    assert (row["user_id"], row["timestamp"], row.get("value")) == ("u", "2026-01-05", value)
    named = {"event_timestamp": "timestamp", "campaign_id": "campaign"}
    assert {named.get(column, column): cell for column, cell in after.items()} == JOINED
    assert seen.lines == [2, 3, 4]
    assert seen.reading.skipped == {"header": 1, "repeated header": 1}


def test_a_header_after_an_unreadable_row_begins_a_table() -> None:
    seen = read(
        f'{HEADER}\nu,2026-01-05,"c,9value,campaign,timestamp,user_id\n1,d,2026-01-06,v\n'.encode(), mapping=NONE
    )
    assert [(row.reason, row.body) for row in seen.bad] == [("ambiguous_quotes", b'u,2026-01-05,"c,9')]
    assert seen.good == [JOINED]


def test_a_row_that_names_columns_but_no_header_stays_a_row() -> None:
    seen = read(f"{HEADER}\nu,2026-01-05,c,9,user_id,value,x\nu,2026-01-05,user_id,value\n".encode(), mapping=NONE)
    assert [row.reason for row in seen.bad] == ["surplus_cells"]
    assert len(seen.good) == 1


def test_given_columns_are_a_header_too_if_the_file_repeats_them() -> None:
    seen = read(b"u,1\ntimestamp,user_id\n2,v\n", columns=("user_id", "timestamp"))
    assert seen.rows == [{"user_id": "u", "timestamp": "1"}, {"timestamp": "2", "user_id": "v"}]


def test_a_mapped_column_keeps_its_field_in_any_spelling() -> None:
    mapping = FieldMapping({"Zeit": "timestamp", "Kunde 2": "user_id"}, {"campaign": "c"})
    seen = read(b"Zeit,Kunde 2\n1,u\nKUNDE 2,ZEIT\nv,2\nuser_id,timestamp\nw,3\n", mapping=mapping)
    assert seen.rows == [
        {"Zeit": "1", "Kunde 2": "u"},
        {"Kunde 2": "v", "Zeit": "2"},
        {"user_id": "w", "timestamp": "3"},
    ]
    assert not seen.reading.warnings


@pytest.mark.parametrize(
    "row",
    [
        b"2026-01-05,user_id,campaign,timestamp",  # it has a time
        b",user_id,u,c",  # one name
        b",user_id,campaign,click_id",  # no name of a time
        b"timestamp,user_id,user_id,campaign",
        b"timestamp,x,y,user_id,z",
        b"time,user_id,x,y",
        b",,,",
    ],
)
def test_a_row_of_data_is_not_a_header(row: bytes) -> None:
    header = b"timestamp,user_id,campaign,user_agent\n"
    seen = read(header + row + b"\n2026-01-05,u,c,a\n", mapping=NONE)
    assert "repeated header" not in seen.reading.skipped
    assert seen.good[-1] == {"timestamp": "2026-01-05", "user_id": "u", "campaign": "c", "user_agent": "a"}


def test_text_of_users_never_becomes_a_header() -> None:
    header = b"timestamp,user_id,campaign,user_agent,click_id\n"
    row = b"2026-01-05,user_id,campaign,timestamp,value\n"
    assert len(read(header + row + header, mapping=NONE).rows) == 1
    assert len(read(b"user_id\nuser_id\n", mapping=NONE).rows) == 1


@pytest.mark.parametrize("header", [b"campaign_id,user_id,conversion_type,value,tag", b"tag,campaign_id,clicks"])
def test_a_column_that_could_hold_times_is_not_the_time_if_the_user_gives_it(header: bytes) -> None:
    mapping = FieldMapping({}, {"timestamp": "2026-01-05", "user_id": "u"})
    assert len(read(header + b"\nTotal,u,click,1,a\nSum,u,1\n", mapping=mapping).rows) == 2


def test_a_report_with_preamble_and_total_row(shared_data) -> None:
    seen = read((shared_data("field_cases") / "dcm.csv").read_bytes(), mapping=NONE)
    assert seen.reading.detected["header"] == "line 7"
    assert seen.reading.skipped == {"preamble": 6, "header": 1, "total row": 1}
    assert seen.lines == [8, 9]
    assert seen.reading.columns == ["Campaign", "Date", "Impressions", "Clicks", "Conversions"]
    mapping = FieldMapping({"Date": "timestamp"}, {"user_id": "u"})
    assert read((shared_data("field_cases") / "dcm.csv").read_bytes(), mapping=mapping).lines == [8, 9]


def test_skip_goes_exactly_so_far() -> None:
    data = b"user_id,timestamp,campaign\n\n" * 100 + b"timestamp,user_id,campaign\n1,u,c\n"
    seen = read(data, mapping=NONE, skip=200)
    assert seen.rows == [{"timestamp": "1", "user_id": "u", "campaign": "c"}]
    assert seen.reading.skipped == {"preamble": 200, "header": 1}
    with pytest.raises(SourceError, match=r"none of the 2 columns .* \(x.csv:3\)"):
        read(b"user_id,timestamp\n1,2\nx,y\n" + data, mapping=NONE, skip=2)


def test_any_number_of_blank_lines_may_precede_the_header() -> None:
    seen = read(b"\n" * 300_000 + b"user_id,timestamp\nu,1\n", mapping=NONE)
    assert seen.lines == [300_002]
    assert sum(seen.reading.skipped.values()) == 300_001
