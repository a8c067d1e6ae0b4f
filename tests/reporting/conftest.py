"""An answer with hostile event texts, pages of simulated data, and a browser."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from advertisex.analysis.answer import Answer, Chart, Table
from advertisex.analysis.scope import Scope
from tests.reporting.simulated_pages import write_pages

EVIL = [
    "</script><script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 2'>",
    "<script>window.ran = 3</script>",
    "\" onmouseover=\"window.ran = 4",
    "<!--<script>",
    "<a href='javascript:window.ran = 5'>click</a>",
    "{{ 7 * 7 }} {% raw %} %{x} ${1 + 1}",
    "=HYPERLINK(\"http://evil.example\")",
    "2026-01-01",
    "17",
    "\u2028 line \u2029 separators & entities &amp; &lt;b&gt;",
    None,
]  # fmt: skip


@pytest.fixture
def answer() -> Answer:
    n = len(EVIL)
    campaigns = pl.DataFrame(
        {
            "campaign_id": EVIL,
            "impressions": range(1_000, 1_000 + n),
            "clicks": range(n),
            "ctr": [None, *(place / 1_000 for place in range(1, n))],
            "ctr_low": [None, *(place / 2_000 for place in range(1, n))],
            "ctr_high": [None, *(place / 500 for place in range(1, n))],
            "value_EUR": pl.Series([Decimal("1234.5"), *[None] * (n - 1)], dtype=pl.Decimal(38, 6)),
        }
    )
    days = pl.DataFrame(
        {
            "day": [datetime(2026, 1, 1) + timedelta(days=day) for day in range(7)],
            "clicks": [3, 1, 4, 1, 5, 9, 2],
            "conversions": [1, 1, 1, 0, 2, 2, 1],
        }
    )
    pairs = pl.DataFrame([{"one": a, "other": b, "share": 0.5} for a in EVIL[:4] for b in EVIL[:4]])
    return Answer(
        question="example",
        definition="example/1",
        scope=Scope(campaign=EVIL[0], since=datetime(2026, 1, 1)),
        horizons={"impressions": datetime(2026, 1, 8)},
        computed_from={"impressions": 12_345, "clicks": 25},
        parameters={"by": "campaign_id", "click_window_seconds": 2_592_000.0, "note": EVIL[1], "unset": None},
        facts={
            "impressions": 12_345, "ctr": 0.01, "ctr_low": 0.005, "ctr_high": 0.02,
            "value": {"EUR": Decimal("1234.5"), EVIL[2]: Decimal(1)},
        },
        tables=[
            Table("campaigns", EVIL[4] or "", campaigns),
            Table("days", "By day", days),
            Table("pairs", "Pairs", pairs),
        ],
        charts=[
            Chart("campaigns", "bar", "campaign_id", ("impressions", "clicks"), EVIL[5] or ""),
            Chart("campaigns", "bar", "campaign_id", ("ctr",), "CTR"),
            Chart("days", "line", "day", ("clicks", "conversions"), "Over time"),
            Chart("campaigns", "bar", "impressions", ("clicks",), "By another", colour="campaign_id"),
            Chart("pairs", "heatmap", "one", ("other",), "Overlap", colour="share"),
        ],
    )  # fmt: skip


@pytest.fixture(scope="session")
def simulated_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page of each question, from one folder of simulated data."""
    folder = tmp_path_factory.mktemp("simulated")
    write_pages(folder)
    return folder / "pages"
