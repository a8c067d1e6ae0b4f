"""CSV files that such tools misread, as processed; `../shared/data/field_cases` has them, with the right outcomes."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from advertisex.feeds import FEEDS
from advertisex.ingestion.dialect import CsvDialect
from advertisex.ingestion.encode import Encoder
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import reader_of
from advertisex.ingestion.stream import open_file
from advertisex.processing.pipeline import evaluate
from advertisex.processing.policy import Policy
from advertisex.processing.suppression import NOBODY

NOW = int(datetime(2026, 1, 6, tzinfo=UTC).timestamp()) * 1_000_000


class Processed(NamedTuple):
    """What became of the messages of a file, by index."""

    stored: dict[int, dict[str, Any]]
    rejected: dict[int, str]
    details: dict[int, str]

    def values(self, *columns: str) -> dict[int, Any]:
        return {row: tuple(event[c] for c in columns) for row, event in self.stored.items()}


Case = Callable[..., Processed]


def processed(path: Path, **dialect: Any) -> Processed:
    """Read, encode and process a file of clicks."""
    feed, options = FEEDS["clicks"], IngestOptions(dialect=CsvDialect(**dialect))
    reader = reader_of(open_file(path), feed, options)
    encoder = Encoder(feed, numbers=options.dialect.numbers())
    messages = [m for chunk in reader.chunks() for m in encoder.messages(chunk.records)]
    done = evaluate(messages, [NOW] * len(messages), feed, Policy(), NOBODY)
    assert done.kept.height + done.rejected.height == len(messages)
    return Processed(
        {event["row"]: event for event in done.kept.to_dicts()},
        dict(done.rejected.select("row", "reason").rows()),
        dict(done.rejected.select("row", "detail").rows()),
    )


@pytest.fixture
def case(shared_data: Callable[[str], Path]) -> Case:
    """case(name, **dialect): a file, processed."""
    folder = shared_data("field_cases")
    return lambda name, **dialect: processed(folder / name, **dialect)


def test_a_lost_quote_costs_one_row(case: Case) -> None:
    done = case("lost2.csv")
    assert done.rejected == {100: "ambiguous_quotes"}
    assert done.values("user_id") == {row: (f"u{row}",) for row in range(600) if row != 100}
    assert {agent for (agent,) in done.values("user_agent").values()} == {"curl/8", "UA 0", "UA 250", "UA 500"}


def test_inches_are_quotes_or_text(case: Case) -> None:
    done = case("inch.tsv")
    assert done.rejected == {1: "ambiguous_quotes", 3: "ambiguous_quotes"}
    assert done.values("user_id", "campaign_id") == {
        0: ("u0", "a"), 2: ("u2", '55" TV'), 4: ("u4", "b"), 5: ("u5", "c"), 6: ("u6", "d"), 7: ("u7", "e"),
    }  # fmt: skip


def test_inches_are_text_without_quotes(case: Case) -> None:
    done = case("inch.tsv", quote="none")
    texts = ["a", '"Big" screen', '55" TV', '"55 TV', "b", "c", '"d"', "e"]
    assert done.values("user_id", "campaign_id") == {row: (f"u{row}", text) for row, text in enumerate(texts)}


def test_quotes_escaped_with_a_backslash_are_rejected_with_a_hint(case: Case) -> None:
    done = case("backslash.csv")
    assert done.rejected == {0: "ambiguous_quotes", 1: "ambiguous_quotes"}
    assert all("--escape '\\'" in detail for detail in done.details.values())
    assert done.values("campaign_id", "value") == {2: ("plain", 30), 3: (r"ends \\", 40)}


def test_quotes_escaped_with_a_backslash_are_read(case: Case) -> None:
    assert case("backslash.csv", escape="\\").values("user_id", "campaign_id", "value") == {
        0: ("u1", 'Say "hi, you"', 10), 1: ("u2", '12" TV', 20), 2: ("u3", "plain", 30), 3: ("u4", "ends \\", 40),
    }  # fmt: skip


def test_german_numbers(case: Case) -> None:
    done = case("nums.csv", decimal=",")
    assert done.rejected == dict.fromkeys((3, 4, 7, 12), "ambiguous_number") | {6: "wrong_type", 11: "wrong_type"}
    assert done.values("campaign_id", "clicks", "conversions", "value") == {
        0: ("t1", 1234, 0, None),
        1: ("t2", 1000, 0, None),
        2: ("t3", 12000, 2000, None),
        5: ("t6", 1, 1, Decimal("1234.56")),
        8: ("t9", 1, 1, 1234),
        9: ("t10", 0, 0, None),  # clicks are missing
        10: ("t11", 1, 1, 1000),
    }


def test_numbers_that_could_be_grouped_are_rejected_without_an_option(case: Case) -> None:
    done = case("nums.csv")
    assert sorted(done.rejected) == [0, 1, 2, 3, 4, 5, 6, 11, 12]
    assert done.values("campaign_id", "clicks", "conversions", "value") == {
        7: ("t8", 1, 1, 12),
        8: ("t9", 1, 1, Decimal("1.234")),
        9: ("t10", 0, 0, None),
        10: ("t11", 1, 1, 1000),
    }


def test_another_encoding_costs_its_row_or_is_named(case: Case) -> None:
    done = case("l1.csv")
    assert done.rejected == {0: "wrong_encoding"}
    assert "--encoding cp1252" in done.details[0]
    assert done.values("user_id", "campaign_id") == {1: ("u2", "Bonn")}


def test_a_named_encoding_is_read(case: Case) -> None:
    assert case("l1.csv", encoding="cp1252").values("user_id", "campaign_id") == {0: ("u1", "Köln"), 1: ("u2", "Bonn")}


def test_members_of_an_archive_have_headers_of_their_own(case: Case) -> None:
    assert case("multi.csv.gz").values("user_id", "campaign_id", "value", "currency") == {
        0: ("u1", "c1", 10, "EUR"), 1: ("u2", "c1", 20, "EUR"), 2: ("u3", "c9", 30, "EUR"),
    }  # fmt: skip


def test_padding_is_not_part_of_a_value(case: Case) -> None:
    assert case("pad.csv").values("user_id", "conversion_type") == {
        0: ("u1", "click"), 1: ("u1", "purchase"), 2: ("u1", "purchase"),
    }  # fmt: skip


@pytest.mark.parametrize("compressed", [False, True])
def test_headers_in_other_spellings_and_orders_keep_users_and_campaigns_apart(compressed: bool, tmp_path: Path) -> None:
    tables = [
        b"timestamp,user_id,campaign_id,conversion_type\n2026-01-05 09:00:00,u1,c1,click\n",
        b"event_timestamp,campaign,user_id,conversion\n2026-01-05 09:00:01,c2,u2,click\n",
        b"Timestamp,Campaign ID,User ID,Conversion Type\n2026-01-05 09:00:02,c3,u3,click\n",
        b"time,campaign_id,user_id,conversion_type\n2026-01-05 09:00:03,c4,u4,click\n",
    ]
    path = tmp_path / "clicks.csv"
    path.write_bytes(b"".join(map(gzip.compress, tables) if compressed else tables))
    done = processed(path)
    assert done.values("user_id", "campaign_id") == {0: ("u1", "c1"), 1: ("u2", "c2"), 2: ("u3", "c3")}
    assert done.rejected == {3: "missing_field"}  # `time` is not a name of the field
