"""Small inputs that such tools misread; `../shared/data/field_cases` has them, with the right outcome of each."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from advertisex.stores.contract import Range
from advertisex.stores.duckdb.store import DuckdbStore

Cli = Callable[..., Any]


def events(folder: Path, feed: str, *columns: str) -> pl.DataFrame:
    with DuckdbStore(folder / "store.duckdb", read_only=True) as store:
        return pl.concat(store.scan(feed, columns, Range()))


def test_padded_values_are_one_user_and_two_currencies_in_one_second_two_purchases(
    cli: Cli, tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    assert cli("ingest", "clicks", shared_data("field_cases") / "pad.csv", "--data", "data").code == 0
    ledger = cli("process", "--data", "data", "--json").document["total"]

    assert (ledger["read"], ledger["stored"]) == (3, 3)
    found = events(tmp_path / "data", "clicks", "user_id", "campaign_id", "clicks", "conversions", "value", "currency")
    assert found["user_id"].unique().to_list() == ["u1"]
    assert found["campaign_id"].unique().to_list() == ["c1"]
    assert found.select("clicks", "conversions").sum().row(0) == (1, 2)
    money = found.drop_nulls("value").select("currency", "value").sort("currency")
    assert money.rows() == [("EUR", Decimal(10)), ("USD", Decimal(10))]


def test_own_fields_are_read_stored_and_part_of_the_identity(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "advertisex.toml").write_text(
        '[feeds.impressions]\nextra = { region = "text", viewable = "flag", depth = "count", bid = "amount" }\n'
        'identity = ["user_id", "region"]\n'
    )
    (tmp_path / "i.csv").write_text(
        "user_id,timestamp,website,creative_id,Area,viewable,depth,bid\n"
        "u1,2026-01-05T09:00:00Z,a.com,c1, north ,yes,3,0.10\n"
        "u1,2026-01-05T09:00:00Z,b.com,c1,north,no,3,0.1\n"  # a conflicting duplicate
        "u1,2026-01-05T09:00:00Z,a.com,c1,south,,,\n"
        "u1,2026-01-05T09:00:00Z,a.com,c1,west,maybe,,\n"
    )

    assert cli("ingest", "impressions", "i.csv", "--map", "Area=region", "--data", "data").code == 0
    ledger = cli("process", "--data", "data", "--json").document["total"]

    assert {name: ledger[name] for name in ("read", "stored", "duplicate", "rejected", "conflict")} == {
        "read": 4, "stored": 2, "duplicate": 1, "rejected": 1, "conflict": 1,
    }  # fmt: skip
    found = events(tmp_path / "data", "impressions", "region", "viewable", "depth", "bid").sort("region")
    assert found.rows() == [("north", True, 3, Decimal("0.1")), ("south", None, None, None)]
    (conflict,) = cli("rejects", "list", "--kind", "conflict", "--json", "--data", "data").document["rejects"]
    assert conflict["detail"] == (
        "website: 'b.com' differs from the stored 'a.com'; viewable: False differs from the stored True"
    )
    assert cli("ingest", "impressions", "i.csv", "--map", "Area=regio", "--data", "data").code == 2
