"""Explanations of rejects: the formatted message, the failing line, and the rule."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advertisex.feeds import FEEDS
from advertisex.processing.policy import Policy
from advertisex.rejects.explained import Explained, explain, reason_codes
from advertisex.rejects.pretty import one_line, pretty
from advertisex.simulator import Simulation, SimulationSettings
from tests.processing.messages import avro_message, message, outcome_of, reject_of

POLICY = Policy(blocked_sites=frozenset({"bad.example"}))
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
)


def explained(feed: str, payload: bytes) -> Explained:
    return explain(reject_of(feed, payload, policy=POLICY), FEEDS[feed])


def marked(of: Explained) -> str | None:
    return None if of.failing is None else of.message.lines[of.failing].strip().rstrip(",")


@pytest.mark.parametrize(
    ("feed", "payload", "line", "rule"),
    [
        ("impressions", message("impressions", user_id="null"), '"user_id": "null"', "user_id must be a user"),
        ("impressions", message("impressions", user_id=...), None, "user_id must be given."),
        ("impressions", message("impressions", user_id=None), '"user_id": null', "user_id must be given."),
        (
            "impressions", message("impressions", creative_id=None, creative="a\tb"),
            '"creative": "a\\tb"', "creative_id must not contain control characters.",
        ),
        (
            "impressions", message("impressions", creative={"a": [1]}),
            '"creative": {', "A field contains a list, an object",
        ),
        ("impressions", message("impressions", website="x.bad.example"), '"website": "x.bad.example"', "The host or"),
        ("impressions", message("impressions", user_id="-5"), '"user_id": "-5"', "The user id is a negative"),
        ("clicks", message("clicks", clicks=-1), '"clicks": -1', "clicks must not be negative."),
        ("clicks", message("clicks", value="much"), '"value": "much"', "value must be a number such as 1234.5"),
        ("clicks", message("clicks", conversion_type=...), None, "conversion_type must be given if"),
        ("bids", avro_message("null"), '"user_id": "null"', "user_id must be a user"),
        ("bids", avro_message(amount=-1.0), '"amount": -1.0', "amount must be finite"),
        ("bids", message("bids", user_id=..., who={"user_id": "0"}), '"user_id": "0"', "user_id must be a user"),
        ("bids", b"", None, "The message has no bytes"),
        ("bids", b"[1]", None, "It is JSON, but not an object"),
        ("impressions", b'{\n"a": 1,\nb}', "b}", "It is neither JSON"),
        ("bids", b"\xc3\x01" + bytes(8), None, "It is neither JSON"),
        ("clicks", b'{"a": "' + bytes(17) + b'\xff"}', "00000010  " + "00 " * 8 + "ff 22 7d", "It is neither JSON"),
    ],
)  # fmt: skip
def test_the_failing_line_is_marked_and_the_rule_is_shown(
    feed: str, payload: bytes, line: str | None, rule: str
) -> None:
    found = explained(feed, payload)

    assert found.rule.startswith(rule)
    shown = marked(found)
    assert (shown is None) == (line is None)
    assert (shown or "").startswith(line or "")


def test_the_field_of_an_openrtb_request_is_found_at_the_path_that_is_read() -> None:
    request = {
        "id": "a1", "timestamp": "2026-01-05T10:00:00Z", "device": {"id": "9"}, "user": {"id": "null"},
        "imp": [{"id": "8", "bidfloor": 1.5}],
    }  # fmt: skip
    found = explained("bids", json.dumps(request).encode())

    assert marked(found) == '"id": "null"'
    assert found.failing is not None
    assert found.message.paths[found.failing] == ("user", "id")


def test_rejects_of_the_store_and_of_removed_rules_are_explained() -> None:
    reject = reject_of("impressions", message("impressions", user_id="null"))
    stored = reject | {"stage": "store", "reason": "store_rejected", "detail": "too long: immense term"}
    assert explain(stored, FEEDS["impressions"]).rule.startswith("The event store rejected it")
    without = replace(FEEDS["impressions"], rules=())
    assert explain(reject, without).rule == "placeholder_user_id: unknown rule; it may have been removed."


@given(DOCUMENTS)
def test_each_line_has_the_path_of_its_value(document: Any) -> None:
    shown = pretty(json.dumps(document).encode(), FEEDS["clicks"])

    assert shown.format == "json"
    assert json.loads("\n".join(shown.lines)) == document
    seen = [path for path in shown.paths if path]
    assert len(seen) == len(set(seen))
    assert set(seen) == paths_in(document)
    for path, line in zip(shown.paths, shown.lines, strict=True):
        if path:
            value: Any = document
            for step in path:
                value = value[step]
            opened = isinstance(value, dict | list) and value
            assert line.rstrip(",").endswith(json.dumps(value)[0] if opened else json.dumps(value))


def paths_in(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {found for step, item in inner for found in ({(*path, step)} | paths_in(item, (*path, step)))}


@given(st.binary())
def test_any_message_can_be_formatted(payload: bytes) -> None:
    for feed in FEEDS.values():
        shown = pretty(payload, feed)
        assert len(shown.lines) == len(shown.paths)
        if shown.format == "text":
            assert "\n".join(shown.lines).encode() == payload
        if shown.format == "bytes":
            assert b"".join(bytes.fromhex(line[10:58]) for line in shown.lines) == payload


def test_a_message_is_formatted_as_one_readable_line() -> None:
    assert one_line(message("bids"), FEEDS["bids"]) == message("bids").decode()
    assert json.loads(one_line(avro_message("u7"), FEEDS["bids"]))["user_info"]["user_id"] == "u7"
    assert one_line(b"a\xff", FEEDS["bids"]) == "a\\xff"


def test_a_document_that_is_nested_too_deeply_is_shown_unformatted() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    assert pretty(deep, FEEDS["clicks"]).lines == [deep.decode()]
    assert outcome_of("clicks", deep).rejects.height == 1


def test_every_reason_that_a_message_can_get_is_known() -> None:
    found = simulated_reasons()
    assert len(found) > 10
    assert found <= reason_codes()
    assert {"negative_count", "count_too_large", "store_rejected", "conflicting_duplicate"} <= reason_codes()


def simulated_reasons() -> set[str]:
    simulation = Simulation(SimulationSettings(events=2_000), "files")
    for _ in simulation.chunks():
        pass
    return {reason for feed in simulation.truth().feeds.values() for reason in feed.rejected | feed.filtered}
