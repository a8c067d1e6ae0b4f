"""Standardise stage: one meaning for every notation of a source."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from advertisex.feeds import FEEDS
from advertisex.feeds.rules import with_own_fields
from advertisex.feeds.words import MISSING
from advertisex.processing.standardise import ISO_4217
from tests.processing.messages import GOOD, event_of, message, outcome_of, reject_of, standardised

# -- the rows of the clicks feed (docs/feeds.md) -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "clicks", "conversions", "kind"),
    [
        # by type
        ({"conversion_type": "click"}, 1, 0, "click"),
        ({"conversion_type": "CLICK"}, 1, 0, "click"),
        ({"conversion_type": "signup"}, 0, 1, "signup"),
        ({"conversion_type": "Purchase"}, 0, 1, "Purchase"),
        ({"event_type": "click"}, 1, 0, "click"),
        ({"event_type": "signup"}, 0, 1, "signup"),
        # a flag: a click that did or did not convert
        ({"conversion": "0"}, 1, 0, "click"),
        ({"conversion": "1"}, 1, 1, "conversion"),
        ({"conversion": "false"}, 1, 0, "click"),
        ({"conversion": "TRUE"}, 1, 1, "conversion"),
        ({"conversion": False}, 1, 0, "click"),
        ({"conversion": True}, 1, 1, "conversion"),
        ({"conversion": 0}, 1, 0, "click"),
        ({"conversion": 1}, 1, 1, "conversion"),
        # explicit counts override
        ({"conversion_type": "click", "clicks": 5}, 5, 0, "click"),
        ({"conversion_type": "click", "clicks": "5", "conversions": "2"}, 5, 2, "click"),
        ({"conversion_type": "signup", "conversions": 3}, 0, 3, "signup"),
        ({"conversion": "1", "conversions": 0}, 1, 0, "conversion"),
        ({"conversion_type": "click", "clicks": ""}, 1, 0, "click"),
        ({"conversion_type": "click", "clicks": None}, 1, 0, "click"),
        # counts alone: a missing one is 0
        ({"clicks": 7, "conversions": 2}, 7, 2, None),
        ({"clicks": 7}, 7, 0, None),
        ({"conversions": "2"}, 0, 2, None),
        ({"clicks": 0, "conversions": 0}, 0, 0, None),
    ],
)
def test_a_row_of_the_clicks_feed_has_counts(
    row: dict[str, Any], clicks: int, conversions: int, kind: str | None
) -> None:
    event = event_of("clicks", message("clicks", **{"conversion_type": ...} | row))

    assert (event["clicks"], event["conversions"], event["conversion_type"]) == (clicks, conversions, kind)


def test_a_row_without_type_or_counts_is_rejected() -> None:
    for absent in (..., None, ""):
        reject = reject_of("clicks", message("clicks", conversion_type=absent))
        assert (reject["stage"], reject["reason"]) == ("validate", "missing_field")
        assert "conversion_type" in reject["detail"]


@pytest.mark.parametrize("field", ["clicks", "conversions"])
def test_a_count_that_cannot_be_read_is_not_replaced_by_what_the_type_implies(field: str) -> None:
    reject = reject_of("clicks", message("clicks", **{field: "many"}))

    assert reject["reason"] == "wrong_type"
    assert field in reject["detail"]
    assert "'many'" in reject["detail"]


# -- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_as", "number"),
    [
        ("0", 0),
        ("7", 7),
        (" 7\t", 7),
        ("+7", 7),
        ("007", 7),
        (7, 7),
        ("7.0", 7),
        ("12.00", 12),
        ("1234.000", 1234),
        ("0.000", 0),
        (1000.0, 1000),
        (7.0, 7),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_a_count_in_any_notation(given_as: Any, number: int) -> None:
    frame = standardised("clicks", message("clicks", clicks=given_as))

    assert frame["clicks"].to_list() == [number]
    assert frame["clicks"].dtype == pl.Int64


@pytest.mark.parametrize(
    "given_as", ["7.5", 7.5, "1e3", "1E3", 1.2345, "x", "1000,5", "١", "7 7", "0x7", "9223372036854775808", True, "inf"]
)
def test_a_count_that_is_not_a_whole_number_is_a_wrong_type(given_as: Any) -> None:
    reject = reject_of("clicks", message("clicks", clicks=given_as))

    assert (reject["stage"], reject["reason"]) == ("validate", "wrong_type")


@pytest.mark.parametrize(
    ("given_as", "number"),
    [
        ("1.5", "1.5"), (1.5, "1.5"), (2, "2"), ("+1.5", "1.5"), ("1.", "1"), (".5", "0.5"), ("1e3", "1000"),
        ("1E-3", "0.001"), (1e-7, "1e-7"), (1e12, "1e12"), ("0.1", "0.1"), ("0", "0"), (" 1.5 ", "1.5"),
        ("123456789012.34567890", "123456789012.3456789"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("feed", "field"), [("clicks", "value"), ("bids", "amount")])
def test_an_amount_in_any_notation(feed: str, field: str, given_as: Any, number: str) -> None:
    assert event_of(feed, message(feed, **{field: given_as}))[field] == Decimal(number)


@pytest.mark.parametrize("given_as", ["x", "1,5", "1 000", "$5", "5 EUR", "1e", "--1", "0x1p3", "1_000", "٣"])
@pytest.mark.parametrize(("feed", "field"), [("clicks", "value"), ("bids", "amount")])
def test_an_amount_that_is_not_a_number_is_a_wrong_type(feed: str, field: str, given_as: Any) -> None:
    reject = reject_of(feed, message(feed, **{field: given_as}))

    assert (reject["stage"], reject["reason"]) == ("validate", "wrong_type")
    assert field in reject["detail"]
    assert repr(given_as) in reject["detail"]


@pytest.mark.parametrize("given_as", ["1.234", "1,234", "12.000", "1.000", "-1,000", "1.234.567", "1,234,567", 1.234])
@pytest.mark.parametrize("field", ["clicks", "depth"])
def test_a_count_with_three_digits_behind_a_separator_is_ambiguous(field: str, given_as: Any) -> None:
    feed = with_own_fields(FEEDS["clicks"], {"depth": "count"})

    reject = reject_of(feed, message("clicks", **{field: given_as}))

    assert (reject["stage"], reject["reason"]) == ("validate", "ambiguous_number")
    assert "--thousands" in reject["detail"]
    assert "--decimal" in reject["detail"]


@pytest.mark.parametrize("given_as", ["12,50", "1.234,56", "$12.00", "1,234"])
@pytest.mark.parametrize(("feed", "field"), [("clicks", "value"), ("impressions", "cost"), ("bids", "price_paid")])
def test_an_amount_in_another_notation_is_rejected_with_a_hint(feed: str, field: str, given_as: str) -> None:
    reject = reject_of(feed, message(feed, **{field: given_as}))

    assert reject["reason"] == "wrong_type"
    assert "--decimal" in reject["detail"]


# -- missing values ------------------------------------------------------------------------------------------------

#: Every kind of field, own ones included.
OWN = {"own_text": "text", "own_flag": "flag", "own_count": "count", "own_amount": "amount"}
SPELLED = [spelling for text in MISSING for spelling in {text, text.upper(), f" {text.title()}\t"}]


@pytest.mark.parametrize("feed", FEEDS)
def test_every_spelling_of_a_missing_value_is_missing_in_every_field(feed: str) -> None:
    extended = with_own_fields(FEEDS[feed], OWN)  # type: ignore[arg-type]
    for field in (f.name for f in extended.fields if not f.required):
        payloads = [message(feed, **{field: text}) for text in (..., None, *SPELLED)]
        assert standardised(extended, *payloads).drop("row").unique().height == 1, field


@pytest.mark.parametrize("feed", FEEDS)
def test_a_required_field_that_spells_a_missing_value_is_missing(feed: str) -> None:
    for field in (f for f in FEEDS[feed].fields if f.required):
        outcome = outcome_of(feed, *(message(feed, **{field.name: text}) for text in SPELLED))
        for text, reject in zip(SPELLED, outcome.rejects.iter_rows(named=True), strict=True):
            is_placeholder = field.kind == "user" and text.strip()
            assert reject["reason"] == ("placeholder_user_id" if is_placeholder else "missing_field")
            assert reject["detail"].endswith(f"got {text.strip()!r}")


@pytest.mark.parametrize("feed", FEEDS)
def test_a_missing_value_does_not_hide_an_alias(feed: str) -> None:
    aliased = FEEDS[feed].with_aliases({"uid": "user_id", "uid2": "user_id"})
    for text in [*SPELLED, None]:
        absent = {"user_id": text, "uid": text}
        assert event_of(aliased, message(feed, **absent, uid2="u2"))["user_id"] == "u2"
        assert event_of(aliased, message(feed, user_id="u0", uid=text, uid2="u2"))["user_id"] == "u0"
    texts = {"user_id": " NULL", "uid": "", "uid2": "n/a"}
    assert reject_of(aliased, message(feed, **texts))["detail"].endswith("got 'NULL'")


# -- the frame ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feed", FEEDS)
def test_empty_optional_text_is_null(feed: str) -> None:
    optional = [f.name for f in FEEDS[feed].fields if f.is_text and not f.required]

    frame = standardised(feed, message(feed, **dict.fromkeys(optional, "")))

    assert frame.select(optional).rows() == [(None,) * len(optional)]


@pytest.mark.parametrize("feed", FEEDS)
def test_text_is_kept_unchanged_but_for_white_space_around_it(feed: str) -> None:
    event = event_of(feed, message(feed, user_id="\u00a0 Ünïcode \u200b  id\r\n"))

    assert event["user_id"] == "Ünïcode \u200b  id"


@pytest.mark.parametrize("feed", FEEDS)
def test_white_space_around_any_value_changes_nothing(feed: str) -> None:
    values = {f.name: "2" for f in FEEDS[feed].fields if f.kind == "amount"} | {"currency": "eur"} | GOOD[feed]
    padded = {name: f" \t{value}\u2003" for name, value in values.items()}

    assert event_of(feed, message(feed, **padded)) == event_of(feed, message(feed, **values))


@pytest.mark.parametrize("feed", FEEDS)
def test_text_of_white_space_alone_is_missing(feed: str) -> None:
    without = message(feed, auction_id=None, currency=None)
    assert event_of(feed, message(feed, auction_id=" ", currency=" \t")) == event_of(feed, without)
    for f in FEEDS[feed].fields:
        if f.required:
            assert reject_of(feed, message(feed, **{f.name: " "}))["reason"] == "missing_field"


# -- currencies and flags ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_as", "code"),
    [("EUR", "EUR"), ("eur", "EUR"), (" Usd", "USD"), ("xbt", "xbt"), ("Points", "Points"), ("€", "€"), ("", None)],
)
@pytest.mark.parametrize("feed", FEEDS)
def test_currency_codes_are_upper_case_and_other_texts_stay(feed: str, given_as: str, code: str | None) -> None:
    assert event_of(feed, message(feed, currency=given_as))["currency"] == code


def test_the_currency_codes_are_those_of_iso_4217() -> None:
    assert {"EUR", "USD", "JPY", "CHF", "INR", "XXX"} < ISO_4217
    assert 150 < len(ISO_4217) < 200
    assert not ISO_4217 & {"BTC", "EURO", ""}


FLAGGED = with_own_fields(FEEDS["impressions"], {"viewable": "flag"})


@pytest.mark.parametrize(
    ("given_as", "flag"),
    [(True, True), (1, True), (1.0, True), ("1", True), ("true", True), ("T", True), ("Yes", True), (" y ", True),
     (False, False), (0, False), ("0", False), ("FALSE", False), ("f", False), ("no", False), ("N", False),
     (None, None), ("", None), (..., None)],
)  # fmt: skip
def test_a_flag_in_any_notation(given_as: Any, flag: bool | None) -> None:
    assert event_of(FLAGGED, message("impressions", viewable=given_as))["viewable"] is flag


@pytest.mark.parametrize("given_as", ["maybe", 2, "1.5", "on", "tr"])
def test_a_flag_that_is_something_else_is_a_wrong_type(given_as: Any) -> None:
    reject = reject_of(FLAGGED, message("impressions", viewable=given_as))

    assert (reject["reason"], reject["detail"]) == (
        "wrong_type",
        f"viewable: must be true or false, got '{given_as}'",
    )


# -- refunds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["-12.50", -12.5, 0, "-0.000000000001"])
@pytest.mark.parametrize("kind", ["refund", "Refund", " REFUND "])
def test_a_refund_counts_nothing_and_has_a_value_that_is_not_positive(kind: str, value: Any) -> None:
    event = event_of("clicks", message("clicks", conversion_type=kind, value=value, currency="EUR"))

    assert (event["conversion_type"], event["clicks"], event["conversions"]) == ("refund", 0, 0)
    assert event["value"] == Decimal(str(value))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("value", {}),
        ("value", {"value": 12.5}),
        ("clicks", {"value": -1, "clicks": 1}),
        ("conversions", {"value": -1, "conversions": "2"}),
        ("value", {"value": " "}),
    ],
)
def test_a_refund_with_counts_or_without_a_value_is_rejected(field: str, changes: dict[str, Any]) -> None:
    reject = reject_of("clicks", message("clicks", conversion_type="refund", **changes))

    assert (reject["stage"], reject["reason"]) == ("validate", "bad_refund")
    assert reject["detail"].startswith(f"{field}: ")


@pytest.mark.parametrize("kind", ["purchase", "click", "1", "refunded"])
def test_only_a_refund_has_a_negative_value(kind: str) -> None:
    assert reject_of("clicks", message("clicks", conversion_type=kind, value=-1))["reason"] == "bad_amount"


# -- an app instead of a website -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["app", "bundle"])
def test_an_impression_may_be_in_an_app(name: str) -> None:
    event = event_of("impressions", message("impressions", website=..., **{name: "com.example.app"}))

    assert (event["app"], event["website"], event["domain"]) == ("com.example.app", None, None)


@pytest.mark.parametrize("feed", FEEDS)
def test_columns_have_the_types_of_the_feed_even_without_a_row(feed: str) -> None:
    frame = standardised(feed)

    own = {
        f.column: dtype for f in FEEDS[feed].fields for name, dtype in FEEDS[feed].columns.items() if name == f.column
    }
    assert {name: frame.schema[name] for name in own} == own


def test_the_time_of_an_event_is_in_microseconds_whatever_its_notation() -> None:
    for text in ("2026-01-05T11:00:00.123456+01:00", 1767607200.123456, "1767607200123456", 1767607200123456):
        assert event_of("clicks", message("clicks", timestamp=text))["event_time"] == datetime(
            2026, 1, 5, 10, 0, 0, 123456
        )


def test_minus_zero_is_the_same_amount_as_zero() -> None:
    minus, zero = event_of("bids", message("bids", amount="-0")), event_of("bids", message("bids", amount=0))
    assert minus["event_id"] == zero["event_id"]


@pytest.mark.parametrize("others", [0, 1, 50])
def test_minus_zero_becomes_zero_in_batches_of_any_size(others: int) -> None:
    payloads = [message("bids", amount="-0.0"), *(message("bids", amount=1 + n) for n in range(others))]

    amounts = outcome_of("bids", *payloads).events["amount"]

    assert str(amounts[0]) == "0E-12"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        *((text, ("click", 1, 0)) for text in ("f", "F", "N", "no", "click", "Clicks")),
        *((text, ("conversion", 1, 1)) for text in ("t", "T", "y", "Yes", "TRUE")),
        ("purchase", ("purchase", 0, 1)),
    ],
)
def test_a_flag_tells_whether_a_click_converted(text: str, counts: tuple[str, int, int]) -> None:
    event = event_of("clicks", message("clicks", conversion_type=text))

    assert (event["conversion_type"], event["clicks"], event["conversions"]) == counts


@pytest.mark.parametrize("text", MISSING)
def test_a_spelling_of_nothing_is_a_missing_type(text: str) -> None:
    reject = reject_of("clicks", message("clicks", conversion_type=text))

    assert reject["reason"] == "missing_field"
    event = event_of("clicks", message("clicks", conversion_type=text, clicks=2))
    assert (event["conversion_type"], event["clicks"], event["conversions"]) == (None, 2, 0)
