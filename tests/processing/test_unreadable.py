"""Inputs that ingestion could not read: rejected as it found them, found by erasure, and repaired without the frame."""

import json

import polars as pl
import pytest

from advertisex.codecs.unreadable import REASONS, Unreadable, wrap
from advertisex.feeds import FEEDS
from advertisex.ingestion.mapping import FieldMapping
from advertisex.processing.decode import MAX_BYTES
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.processing.suppression import erased_user, suppression_of
from advertisex.rejects.explained import explain
from advertisex.rejects.export import document_of
from advertisex.rejects.pretty import one_line
from advertisex.rejects.repair import Repairer
from tests.processing.messages import batch_of, event_of, message, outcome_of, reject_of

BODIES = [b"", b"u1;x", '"Köln,u1'.encode("cp1252"), b"\xff\xfe\x00", b"x" * (MAX_BYTES + 1), b'{"user_id": "u1"}']


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("reason", REASONS)
def test_it_is_rejected_with_the_reason_that_ingestion_found(feed: str, reason: str) -> None:
    payloads = [wrap(Unreadable(reason, f"line {line}: “quotes”", body)) for line, body in enumerate(BODIES)]

    outcome = outcome_of(feed, *payloads, message(feed))

    assert outcome.events.height == 1
    assert outcome.rejects.select("stage", "reason").unique().rows() == [("decode", reason)]
    assert outcome.rejects["detail"].to_list() == [f"line {line}: “quotes”" for line in range(len(BODIES))]
    assert outcome.rejects["payload"].to_list() == payloads


def test_what_is_shown_and_exported_is_the_input() -> None:
    reject = reject_of("clicks", wrap(Unreadable("surplus_cells", "line 7: 5 cells, but 4 columns", b"a,b\nc,\xe9")))

    explained = explain(reject, FEEDS["clicks"])
    assert explained.rule == REASONS["surplus_cells"]
    assert "unreadable" not in "".join(explained.message.lines)
    assert one_line(reject["payload"], FEEDS["clicks"]) == "a,b\nc,\\xe9"
    times = {name: pl.Series([0]).cast(pl.Datetime("us"))[0] for name in ("ingested_at", "processed_at")}
    position = {"topic": "clicks_conversions", "partition": 0, "offset": 0}
    assert document_of(reject | position | times)["payload"] == "YSxiCmMs6Q=="


@pytest.mark.parametrize(
    ("body", "user"),
    [
        (b'2026-01-05,"u1,click', "u1"),
        (b"2026-01-05|u1|click", "u1"),
        (b"2026-01-05;auth0|u1;click", "auth0|u1"),
        ("2026-01-05;Jürgen;click".encode("cp1252"), "Jürgen"),
        ("2026-01-05;Jürgen;click".encode(), "Jürgen"),
        (b'{"user_id": "u1", "clicks": "1.234"}', "u1"),
        (b"\xc3\x01" + bytes(8) + b"\x04u1\x00", "u1"),
    ],
)
@pytest.mark.parametrize("feed", FEEDS)
def test_it_belongs_to_an_erased_user_whose_id_it_contains(feed: str, body: bytes, user: str) -> None:
    payload = wrap(Unreadable("not_a_record", "line 3", body))

    for erased, count in ((user, 1), ("u", 0), ("1", 0)):
        users = suppression_of([erased_user(erased, bytes(32))])
        outcome = process(batch_of(FEEDS[feed], [payload]), FEEDS[feed], Policy(), users)
        assert outcome.suppressed.height == count


@pytest.mark.parametrize("feed", FEEDS)
def test_a_replay_sends_the_input_if_it_is_an_object(feed: str) -> None:
    good = message(feed, note="1,5")

    def replayed(body: bytes, **mapping: dict[str, str]) -> bytes | None:
        return Repairer(FEEDS[feed], FieldMapping(**mapping))(wrap(Unreadable("ambiguous_number", "note", body)))

    assert replayed(good) == good
    bad = message(feed, user_id="null")
    repaired = replayed(bad, constants={"user_id": "u7"})
    assert repaired is not None
    assert event_of(feed, repaired)["user_id"] == "u7"
    for body in (b"", b"a,b", b"[1]", json.dumps({"a": "é"}).encode("cp1252").replace(b"\\u00e9", b"\xe9")):
        assert replayed(body) is None
        assert replayed(body, constants={"user_id": "u7"}) is None
