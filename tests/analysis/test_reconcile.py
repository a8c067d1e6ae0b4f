"""Of a partner who is known to count otherwise, the right causes are named, and no others."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from advertisex.analysis.answer import Answer
from advertisex.analysis.performance.report import performance
from advertisex.analysis.reconciliation.reconcile import reconcile
from advertisex.analysis.scan import scan_frames
from advertisex.analysis.scope import Scope
from advertisex.errors import AnalysisError, ConfigurationError
from advertisex.testing import memory_log
from tests.analysis.partner_worlds import DAYS, FIRST, START, Partner, Seen, World, report_of, seen_at, world

COUNTS = ("impressions", "clicks", "conversions")
ALL = (*COUNTS, "cost", "revenue")

#: What a partner does, by the cause that explains it.
CAUSES: dict[str, Mapping[str, Any]] = {
    "time_zone": {"zone": "Europe/Paris"},
    "duplicates": {"add": ["duplicates"]},
    "filtered": {"add": ["filtered"]},
    "rejected": {"add": ["rejected"]},
    "invalid_traffic": {"drop": ["invalid_traffic"]},
    "late_events": {"drop": ["late_events"]},
    "missing_day": {"without_days": frozenset({FIRST + timedelta(days=2)})},
    "not_in_report": {"without_campaigns": frozenset({"k2"})},
    "unknown_campaign": {"more": (("k9", FIRST, 40),)},
}
MIXED = [
    ("time_zone", "duplicates"),
    ("time_zone", "late_events"),
    ("filtered", "invalid_traffic"),
    ("missing_day", "unknown_campaign"),
    ("rejected", "invalid_traffic", "late_events"),
    ("time_zone", "filtered", "rejected"),
    ("duplicates", "late_events", "not_in_report"),
    ("time_zone", "missing_day", "duplicates", "invalid_traffic"),
]


@pytest.fixture(scope="module")
def known() -> Iterator[World]:
    with world(1) as made:
        yield made


def asked(known: World, partner: Partner, measures: Sequence[str] = COUNTS, **options: Any) -> Answer:
    report = report_of(known.seen, partner, measures)
    return reconcile(known.store, report, **{"log": known.log, "report_time": known.report_time} | options)


def volumes(answer: Answer, table: str = "causes") -> dict[str, Any]:
    """The volume of each cause, in all measures together."""
    sums = answer.table(table).group_by("cause").agg(pl.col("volume").sum())
    return dict(sums.iter_rows())


@pytest.mark.parametrize("causes", [*((cause,) for cause in CAUSES), *MIXED], ids="+".join)
def test_the_causes_are_found(known: World, causes: tuple[str, ...]) -> None:
    partner = Partner()
    for cause in causes:
        partner = partner.but(**CAUSES[cause])
    answer = asked(known, partner, limit=0)

    found = volumes(answer)
    total = sum(found.values())
    right = sum(found.get(cause, 0) for cause in causes)
    assert total > 20
    assert right >= 0.95 * total, found
    assert total - right - found.get("unexplained", 0) < 0.01 * total, found
    assert all(found.get(cause, 0) > 0 for cause in causes), found
    check_sums(answer)


def check_sums(answer: Answer) -> None:
    """The parts of each gap add up to it, and the gaps to the totals."""
    gaps = answer.table("gaps")
    assert (gaps["gap"] == gaps["theirs"] - gaps["ours"]).all()
    assert (gaps["gap"] == gaps["explained"] + gaps["unexplained"]).all()
    for measure, rows in gaps.group_by("measure"):
        name = str(measure[0])
        assert rows["gap"].sum() == answer.facts[name]["gap"]
        assert answer.table("causes").filter(pl.col("measure") == name)["net"].sum() == answer.facts[name]["gap"]


def test_the_events_behind_a_cause_are_those_that_happened(known: World) -> None:
    answer = asked(known, Partner().but(add=["duplicates"], drop=["late_events"]), limit=1000)
    for kind in ("duplicates", "late_events"):
        wanted = sorted((one.at, one.campaign) for one in known.seen if one.kind == kind)
        events = answer.table("events").filter(pl.col("cause") == kind)
        assert sorted(events.select("event_time", "campaign_id").rows()) == wanted
        assert set(answer.table("causes").filter(pl.col("cause") == kind)["events"]) == {len(wanted)}
        for topic, partition, offset in events.select("topic", "partition", "offset").rows():
            message = known.log.read(topic, partition, offset, 1).payloads[0]
            assert any(at.isoformat().encode() in message for at, _ in wanted)


def test_without_the_log_duplicates_are_unexplained_and_it_is_said(known: World) -> None:
    answer = asked(known, Partner().but(add=["duplicates"]), log=None)
    assert set(volumes(answer)) == {"unexplained"}
    assert sum("were not looked up in the log" in note for note in answer.notes) == 2


def test_duplicates_are_not_looked_up_in_another_log(known: World) -> None:
    """Its messages are at the same offsets, but nothing says that they are those that were processed."""
    with memory_log() as other:
        for partition, end in known.log.end_offsets().items():
            other.append(partition.topic, known.log.read(*partition, 0, end).payloads)
        answer = asked(known, Partner().but(add=["duplicates"]), log=other)
    assert "duplicates" not in volumes(answer)
    assert any("duplicates of impressions, at any time, are no longer in the log" in note for note in answer.notes)


def test_without_a_gap_nothing_is_explained(known: World) -> None:
    answer = asked(known, Partner(), ALL)
    assert all(answer.table(name).is_empty() for name in ("gaps", "causes", "money_gaps", "money_causes", "events"))
    assert not answer.notes


def test_our_numbers_are_those_of_performance(known: World) -> None:
    zone = "America/New_York"
    answer = asked(known, Partner(zone=zone), ALL, partner_zone=zone)
    own = performance(known.store, Scope(answer.scope.since, answer.scope.until, zone=zone), by="campaign_id")
    wanted = own.table("rows").select("campaign_id", *COUNTS).unpivot(index="campaign_id").rows()
    assert {row for row in wanted if row[2]} == set(
        answer.table("campaigns").select("campaign_id", "measure", "ours").rows()
    )
    money = {(row["campaign_id"], row["measure"]): row["ours"] for row in answer.table("money").to_dicts()}
    for row in own.table("money").to_dicts():
        assert money[row["campaign_id"], "cost"] == row["spend"]
        assert money[row["campaign_id"], "revenue"] == row["revenue"]


def test_money_follows_and_the_rate_of_another_currency_is_found(known: World) -> None:
    partner = Partner().but(drop=["late_events"], rate="1.0853", currency="USD")
    answer = asked(known, partner, ALL)
    found = volumes(answer, "money_causes")
    assert set(found) == {"late_events", "currency"}
    assert set(answer.table("money_causes").filter(pl.col("cause") == "currency")["detail"]) == {"× 1.0853"}
    assert set(answer.table("money_gaps")["partner_currency"]) == {"USD"}
    money = answer.table("money_gaps")
    assert (money["gap"] == money["theirs"] - money["ours"]).all()


def test_an_invoice_without_counts_is_explained_by_its_amounts(known: World) -> None:
    answer = asked(known, Partner().but(zone="Asia/Tokyo", drop=["invalid_traffic"]), ("cost",))
    assert set(volumes(answer, "money_causes")) == {"time_zone", "invalid_traffic"}


def test_a_partner_that_loses_events_at_random_is_unexplained(known: World) -> None:
    chance = random.Random(5)
    seen = [one for one in known.seen if chance.random() > 0.05]
    for partner, causes in ((Partner(), set()), (Partner(zone="Asia/Tokyo"), {"time_zone"})):
        report = report_of(seen, partner, COUNTS)
        found = volumes(reconcile(known.store, report, log=known.log, report_time=known.report_time))
        assert set(found) == {"unexplained", *causes}


def test_a_factor_between_amounts_of_one_currency_is_unexplained(known: World) -> None:
    """A loss of all money alike is as unexplained as that of events, and a single amount has no factor."""
    lost = asked(known, Partner().but(rate="0.85"), ALL)
    assert set(volumes(lost, "money_causes")) == {"unexplained"}
    assert set(lost.table("explanations")["causes"]) <= {"none", "an unexplained factor"}

    report = report_of(known.seen, Partner(), ("cost",))
    one = report.rows.filter(pl.col("cost") > 0).head(1).with_columns(pl.col("cost") / 2)
    answer = reconcile(known.store, replace(report, rows=one), Scope(campaign=one["campaign_id"][0]), log=known.log)
    assert "currency" not in volumes(answer, "money_causes")


def test_money_in_several_currencies_that_only_they_have_is_in_another_currency(known: World) -> None:
    report = report_of(known.seen, Partner(), ("cost",))
    days = report.rows.with_row_index("row")
    kinds = ["USD", "GBP", "EUR"]
    code = pl.col("row").cast(pl.Int64) % 3
    rows = days.with_columns(currency=code.replace_strict(dict(enumerate(kinds)), return_dtype=pl.String)).drop("row")
    answer = reconcile(known.store, replace(report, rows=rows), log=known.log, report_time=known.report_time)
    causes = answer.table("money_causes").filter(pl.col("cause") == "currency")
    assert set(causes["detail"]) == {"USD", "GBP"}
    assert "missing_day" not in set(answer.table("money_causes")["cause"])


def small(*seen: Seen) -> Any:
    return world(0, seen=seen)


def test_explanations_that_fit_equally_are_all_named() -> None:
    noon, more = [seen_at(day, 12) for day in range(DAYS)], []
    for day in (1, 3):
        more += [seen_at(day, 12, kind) for kind in ("duplicates", "filtered")]
    with small(*noon, *more) as made:
        answer = asked(made, Partner().but(add=["filtered"]), ["impressions"])
        rows = answer.table("explanations").filter(pl.col("measure") == "impressions")
        assert rows["causes"].to_list() == ["duplicates", "filtered negative_user_id"]
        assert any("fit impressions equally: duplicates or filtered negative_user_id" in one for one in answer.notes)


def test_all_time_zones_that_fit_equally_are_named() -> None:
    late = [seen_at(day, 23, minute=40 + n) for day in range(DAYS) for n in range(1 + 3 * day % 7)]
    early = [seen_at(day, 2) for day in range(DAYS)]
    with small(*late, *early) as made:
        answer = asked(made, Partner(zone="Etc/GMT-1"), ["impressions"])
        zones = set(answer.table("explanations").filter(pl.col("measure") == "day")["causes"])
        assert {f"time_zone UTC+{hour:02}:00" for hour in (1, 2, 3)} <= zones
        assert not any("UTC-" in zone for zone in zones)
        assert (
            asked(made, Partner(zone="Etc/GMT-1"), ["impressions"], partner_zone="Etc/GMT-1").table("gaps").is_empty()
        )


def test_a_time_zone_that_fits_a_few_gaps_by_chance_is_not_chosen() -> None:
    chance = random.Random(1)
    for _ in range(3):
        with small(*(seen_at(chance.randrange(2), chance.randrange(24)) for _ in range(40))) as made:
            theirs = [seen_at(day, 12) for day in range(2) for _ in range(chance.randint(5, 40))]
            found = volumes(reconcile(made.store, report_of(theirs, Partner(), ["impressions"])))
            assert set(found) == {"unexplained"}


def test_a_zone_without_gaps_is_preferred_and_money_that_it_moves_is_not_missing() -> None:
    """A single purchase is on the next day of the partner; another zone moves more clicks, but leaves gaps."""
    clicks = [Seen("clicks", "k1", START + timedelta(minutes=21 * number)) for number in range(400)]
    late = {3: timedelta(hours=23, minutes=30)}
    sold = [
        Seen(
            "clicks",
            "k1",
            START + timedelta(days=day) + late.get(day, timedelta(hours=10.5)),
            conversion=True,
            value="50",
        )
        for day in range(6)
    ]
    with small(*clicks, *sold) as made:
        answer = asked(made, Partner(zone="Etc/GMT-1"), ("clicks", "conversions", "revenue"))
    for table in ("causes", "money_causes"):
        assert set(answer.table(table)["cause"]) == {"time_zone"}
    assert answer.table("money_gaps")["unexplained"].to_list() == [0, 0]


def test_a_gap_at_the_limit_is_within_the_tolerance() -> None:
    with small(*(seen_at(0, 9 + n % 6) for n in range(10))) as made:
        for theirs, tolerance, within in ((9, "0.1", True), (11, "0.1", True), (8, "0.1", False), (9, 0.05, False)):
            report = report_of([seen_at(0, 9)] * theirs, Partner(), ["impressions"])
            (row,) = reconcile(made.store, report, tolerance=tolerance).table("gaps").to_dicts()
            assert (row["within"], row["share"]) == (within, (theirs - 10) / 10)


def test_days_and_campaigns_are_selected_on_both_sides(known: World) -> None:
    scope = Scope(known.start + timedelta(days=1), known.start + timedelta(days=3), campaign="k1")
    report = report_of(known.seen, Partner(without_campaigns=frozenset({"k3"})), COUNTS)
    answer = reconcile(known.store, report, scope, log=known.log, report_time=known.report_time)
    assert answer.table("gaps").is_empty()
    assert set(answer.table("campaigns")["campaign_id"]) == {"k1"}
    with pytest.raises(AnalysisError, match="its days are those from 2026-03-26"):
        reconcile(known.store, report, Scope(since=known.start + timedelta(days=90)))


def test_the_events_and_rows_of_the_range_and_campaign_are_counted(known: World) -> None:
    report = report_of(known.seen, Partner(), COUNTS)
    for campaign in (None, "k1"):
        scope = Scope(campaign=campaign)
        answer = reconcile(known.store, report, scope, log=known.log, report_time=known.report_time)
        days = Scope(answer.scope.since, answer.scope.until, campaign)
        of_clicks = pl.concat(scan_frames(known.store, "clicks", days, pl.col("event_time"))).height
        counted = performance(known.store, days).facts["impressions"]
        assert answer.computed_from == {"impressions": counted, "clicks": of_clicks}
        assert not any("outside of the range" in note for note in answer.notes)


def test_as_of_an_earlier_time_the_late_events_are_not_ours(known: World) -> None:
    report = report_of(known.seen, Partner().but(drop=["late_events"]), COUNTS)
    answer = reconcile(known.store, report, Scope(as_of=known.report_time), log=known.log)
    assert answer.table("gaps").is_empty()


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"tolerance": "ten"}, "tolerance"),
        ({"tolerance": 1.5}, "tolerance"),
        ({"partner_zone": "Mars/Olympus"}, "partner-zone"),
        ({"limit": -1}, "limit"),
        ({"scope": Scope(where={"app": "a"})}, "where"),
    ],
)
def test_invalid_arguments_are_errors(known: World, options: Any, what: str) -> None:
    with pytest.raises(ConfigurationError, match=what):
        asked(known, Partner(), **options)


def test_a_day_that_only_they_have_is_one_that_we_lack() -> None:
    with small(*(seen_at(day, 12) for day in range(DAYS) if day != 2)) as made:
        report = report_of([seen_at(day, 12) for day in range(DAYS)], Partner(), ["impressions"])
        rows = reconcile(made.store, report).table("causes").select("cause", "detail", "net").rows()
        assert rows == [("missing_day", "ours", 1)]


def test_impressions_of_an_unknown_creative_have_no_campaign() -> None:
    with small(*(seen_at(day, 12) for day in range(DAYS)), seen_at(1, 13, "unknown_creative")) as made:
        answer = asked(made, Partner(), ["impressions"])
        assert volumes(answer) == {"unknown_creative": 1}
        assert answer.table("gaps")["campaign_id"].to_list() == [None]


def test_impressions_without_a_campaign_are_found_in_those_of_the_partner() -> None:
    plain = [seen_at(day, 12) for day in range(DAYS)]
    with small(*plain, *(seen_at(day, 13, "unknown_creative", n) for day in (1, 4) for n in range(3))) as made:
        answer = asked(made, Partner().but(add=["unknown_creative"]), ["impressions"])
        assert volumes(answer) == {"unknown_creative": 12}
        assert answer.facts["impressions"]["gap"] == 0


@pytest.mark.parametrize("measures", [["impressions"], ["clicks", "cost"], ["revenue"], ALL])
def test_sides_that_have_nothing_in_common_are_compared(measures: list[str]) -> None:
    with small(seen_at(0, 12)) as made:
        for partner in (Partner(more=(("k9", FIRST, 3),)), Partner(more=(("k1", FIRST, 3),), currency=None)):
            answer = reconcile(made.store, report_of([], partner, measures), log=made.log)
            assert (answer.table("campaigns")["theirs"].is_in([0, 3])).all()
            assert set(volumes(answer)) <= {"unknown_campaign", "not_in_report", "missing_day", "unexplained"}
    with world(0, seen=[]) as empty:
        report = report_of([], Partner(more=(("k1", FIRST, 3),)), measures)
        assert set(volumes(reconcile(empty.store, report), "causes")) <= {"unknown_campaign"}
