"""CSV files that such tools misread; `../shared/data/field_cases` has them, with the right outcome of each."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advertisex.codecs.unreadable import Unreadable, unwrap
from advertisex.feeds import FEEDS
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.options import IngestOptions
from advertisex.logs.sqlite.log import SqliteLog

Case = Callable[..., list[Any]]


@pytest.fixture
def case(tmp_path: Path, shared_data: Callable[[str], Path]) -> Case:
    """case(name, **dialect): the messages of a file, decoded."""

    def messages(name: str, **dialect: Any) -> list[Any]:
        feed = FEEDS["clicks"]
        with SqliteLog(tmp_path / "log") as log:
            path = shared_data("field_cases") / name
            published = ingest(feed, str(path), log, IngestOptions(dialect=CsvDialect(**dialect)))
            assert not published.failures
            payloads = log.read(feed.topic, 0, 0, 10_000).payloads
        return [unwrap(payload) or json.loads(payload) for payload in payloads]

    return messages


def reasons(messages: list[Any]) -> dict[int, str]:
    return {index: m.reason for index, m in enumerate(messages) if isinstance(m, Unreadable)}


def test_a_lost_quote_costs_one_row(case: Case) -> None:
    messages = case("lost2.csv")
    assert len(messages) == 600
    assert reasons(messages) == {100: "ambiguous_quotes"}
    assert [m["user_id"] for i, m in enumerate(messages) if i != 100] == [f"u{i}" for i in range(600) if i != 100]
    assert {m["user_agent"] for i, m in enumerate(messages) if i != 100} == {"curl/8", "UA 0", "UA 250", "UA 500"}


def test_inches_are_quotes_or_text(case: Case) -> None:
    assert reasons(case("inch.tsv")) == {1: "ambiguous_quotes", 3: "ambiguous_quotes"}


def test_inches_are_text_without_quotes(case: Case) -> None:
    texts = [m["campaign_id"] for m in case("inch.tsv", quote="none")]
    assert texts == ["a", '"Big" screen', '55" TV', '"55 TV', "b", "c", '"d"', "e"]


def test_quotes_escaped_with_a_backslash_are_rejected_with_a_hint(case: Case) -> None:
    messages = case("backslash.csv")
    assert reasons(messages) == {0: "ambiguous_quotes", 1: "ambiguous_quotes"}
    assert all("--escape '\\'" in message.detail for message in messages[:2])
    assert [message["campaign_id"] for message in messages[2:]] == ["plain", r"ends \\"]


def test_quotes_escaped_with_a_backslash_are_read(case: Case) -> None:
    texts = [message["campaign_id"] for message in case("backslash.csv", escape="\\")]
    assert texts == ['Say "hi, you"', '12" TV', "plain", "ends \\"]


def test_german_numbers(case: Case) -> None:
    messages = case("nums.csv", decimal=",")
    assert reasons(messages) == dict.fromkeys((3, 4, 7, 12), "ambiguous_number")
    read = [None if isinstance(m, Unreadable) else (m["clicks"], m["conversions"], m["value"]) for m in messages]
    assert read == [
        ("1234", "0", ""),
        ("1000", "0", ""),
        ("12000", "2000", ""),
        None,  # not a whole number
        None,
        ("1", "1", "1234.56"),
        ("1", "1", "$12.00"),
        None,
        ("1", "1", "1234"),
        ("--", "0", ""),
        ("1", "1", "1e3"),
        ("1E3", "0", ""),
        None,
    ]


def test_another_encoding_costs_its_row_or_is_named(case: Case) -> None:
    damaged, bonn = case("l1.csv")
    assert (damaged.reason, bonn["campaign_id"]) == ("wrong_encoding", "Bonn")
    assert "--encoding cp1252" in damaged.detail


def test_a_named_encoding_is_read(case: Case) -> None:
    assert [message["campaign_id"] for message in case("l1.csv", encoding="cp1252")] == ["Köln", "Bonn"]


def test_members_of_an_archive_have_headers_of_their_own(case: Case) -> None:
    messages = case("multi.csv.gz")
    assert [(m["user_id"], m["campaign_id"], m["value"]) for m in messages] == [
        ("u1", "c1", "10.00"), ("u2", "c1", "20.00"), ("u3", "c9", "30.00"),
    ]  # fmt: skip


def test_padding_is_not_part_of_a_value(case: Case) -> None:
    assert [(m["user_id"], m["conversion"]) for m in case("pad.csv")] == [
        ("u1", "click"), ("u1", "purchase"), ("u1", "purchase"),
    ]  # fmt: skip
