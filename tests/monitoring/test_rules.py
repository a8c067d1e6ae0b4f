"""Alert rules: defaults, changes made by the settings, and suppression of alerts explained by a larger one."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from advertisex.errors import ConfigurationError
from advertisex.monitoring.anomalies import EVALUATED
from advertisex.monitoring.rules import DEFAULTS, AlertRule, Evaluation, Key, evaluations, rules_of
from advertisex.settings.alerts import AlertSettings
from advertisex.settings.load import load_settings

AT = datetime(2026, 3, 2)


def rules(tmp_path: Path, text: str) -> dict[str, AlertRule]:
    file = tmp_path / "advertisex.toml"
    file.write_text(text, encoding="utf-8")
    return {rule.name: rule for rule in rules_of(load_settings(file, {}).alerts)}


def test_settings_change_remove_and_add_rules(tmp_path: Path) -> None:
    assert rules_of(AlertSettings()) == list(DEFAULTS)
    found = rules(
        tmp_path,
        """
        [alerts.rules.cvr]
        off = true
        [alerts.rules.volume]
        severity = "critical"
        feed = "clicks"
        [alerts.rules.delay]
        above = 300
        [alerts.rules.spring]
        metric = "volume"
        campaign = "spring"
        below = 100
        [alerts.rules.ctr]
        deviations = 8
        """,
    )
    assert "cvr" not in found
    assert found["volume"] == AlertRule("volume", "volume", "critical", "clicks", deviations=5.0)
    assert found["delay"] == AlertRule("delay", "delay", above=300)
    assert found["spring"] == AlertRule("spring", "volume", "warning", campaign="spring", below=100)
    assert found["ctr"] == AlertRule("ctr", "ctr", deviations=8)
    assert len(found) == len(DEFAULTS)


def test_an_environment_variable_can_disable_a_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVERTISEX_ALERTS__RULES__CAMPAIGN_VOLUME__OFF", "true")
    assert "campaign_volume" not in [rule.name for rule in rules_of(load_settings(None, {}).alerts)]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[alerts.rules.own]\nabove = 1", "own: missing metric"),
        ("[alerts.rules.own]\nmetric = 'silence'\nabove = 1", "own: silence does not support fixed bounds"),
        ("[alerts.rules.own]\nmetric = 'lag'", "own: lag requires a fixed bound"),
        ("[alerts.rules.own]\nmetric = 'delay'\nabove = 1\nbelow = 2", "own: every value is bad"),
        ("[alerts.rules.own]\nmetric = 'delay'\ncampaign = 'k'", "own: delay is not available per campaign"),
        ("[alerts.rules.own]\nmetric = 'nosuch'", "alerts.rules.own.metric"),
        ("[alerts.rules.'Own!']\nmetric = 'ctr'", "a rule name must match"),
        ("[alerts]\nbucket = 'PT7M'", "alerts.bucket: must be whole minutes that divide a day"),
        ("[alerts]\nhistory = 'PT7H'", "alerts.history: must be whole days"),
        ("[alerts]\npending = 0", "alerts.pending"),
    ],
)
def test_an_invalid_rule_is_rejected_by_name(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(ConfigurationError, match=error):
        rules(tmp_path, text)


def row(metric: str, value: float, campaign: str | None = None, feed: str = "clicks", **more: Any) -> dict[str, Any]:
    expected = {"expected": 100.0, "scale": 5.0, "score": (value - 100) / 5, "least_low": 50.0, "least_high": 200.0}
    given = {"bucket": AT, "feed": feed, "campaign": campaign, "metric": metric, "value": value, "of": 1.0}
    result = given | expected | more
    return {"own": result["value"], "own_of": result["of"]} | result


def evaluated(wanted: list[AlertRule], *rows: dict[str, Any]) -> dict[Key, bool]:
    return {evaluation.key: evaluation.bad for evaluation in evaluations(wanted, pl.DataFrame(rows, schema=EVALUATED))}


def test_a_bad_feed_hides_its_campaigns_and_a_silent_feed_hides_everything_else() -> None:
    wanted = [rule for rule in DEFAULTS if rule.metric in {"volume", "silence"}]
    silence = {"scale": None, "least_low": None, "least_high": None}
    fine = row("silence", 9.0, score=0.0, **silence)
    silent = row("silence", 0.0, score=6.0, **silence)
    of_feed, of_campaign = Key("volume", "clicks", None), Key("campaign_volume", "clicks", "k")

    found = evaluated(wanted, row("volume", 100.0), row("volume", 10.0, "k"), fine)
    assert found == {of_feed: False, of_campaign: True, Key("silence", "clicks", None): False}
    found = evaluated(wanted, row("volume", 10.0), row("volume", 10.0, "k"), fine)
    assert found == {of_feed: True, Key("silence", "clicks", None): False}
    found = evaluated(wanted, row("volume", 0.0), row("volume", 0.0, "k"), silent)
    assert found == {Key("silence", "clicks", None): True}
    found = evaluated(wanted, row("volume", 10.0, "k"), row("volume", 10.0, feed="bids"))
    assert found == {of_campaign: True, Key("volume", "bids", None): True}


def test_an_anomaly_must_be_improbable_and_large() -> None:
    wanted = [rule for rule in DEFAULTS if rule.name == "volume"]
    for value, more, bad in (
        (49.0, {}, True),
        (51.0, {}, False),  # improbable, but more than half
        (49.0, {"scale": 20.0}, False),  # less than half, but not improbable
        (201.0, {}, True),
        (199.0, {}, False),
        (201.0, {"scale": 20.0}, False),
        (10.0, {"expected": None}, None),
    ):
        assert evaluated(wanted, row("volume", value, **more)).get(Key("volume", "clicks", None)) is bad, value


def test_fixed_bounds_need_no_history_but_a_minimum_sample() -> None:
    wanted = [
        AlertRule("r", "reject_share", above=0.5),
        AlertRule("v", "volume", below=10),
        AlertRule("s", "ctr", campaign="k", above=1),
    ]
    unknown = {"expected": None, "scale": None, "score": None, "least_low": None, "least_high": None}
    found = evaluated(
        wanted,
        row("reject_share", 0.6, of=20.0, **unknown),
        row("reject_share", 0.6, feed="bids", of=19.0, **unknown),
        row("volume", 10.0, **unknown),
        row("volume", 9.0, feed="bids", **unknown),
        row("ctr", 2.0, "k", of=50.0, **unknown),
        row("ctr", 2.0, "other", of=50.0, **unknown),
    )
    assert found == {
        Key("r", "clicks", None): True,
        Key("v", "clicks", None): False,
        Key("v", "bids", None): True,
        Key("s", "clicks", "k"): True,
    }


def test_evaluations_are_ordered_by_bucket() -> None:
    rows = [row("volume", 1.0, bucket=AT + timedelta(hours=hour)) for hour in (2, 0, 1)]
    found = evaluations(DEFAULTS, pl.DataFrame(rows, schema=EVALUATED))
    assert [evaluation.bucket.hour for evaluation in found] == [0, 1, 2]
    assert isinstance(found[0], Evaluation)
    assert (found[0].low, found[0].high) == (50.0, 200.0)
