"""Addresses are found in networks as the standard library finds them, and traffic from data centres is invalid."""

import json
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advertisex.analysis.networks import read_networks
from advertisex.analysis.performance.report import performance
from advertisex.analysis.quality.report import quality
from advertisex.analysis.summary import summarise
from advertisex.analysis.views.asking import DataCentres, ask
from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import OwnKind
from advertisex.feeds.rules import with_own_fields
from advertisex.model import Batch, Span
from advertisex.processing.pipeline import process
from advertisex.processing.policy import Policy
from advertisex.stores.contract import EventStore
from advertisex.stores.duckdb.store import DuckdbStore
from tests.analysis.conftest import GOOD, INGESTED
from tests.budget import examples
from tests.cli.conftest import commands_in, run

LISTED = """\ufeff# networks of a provider
192.0.2.0/24
192.0.2.128/25   # within the first

198.51.100.7
2001:db8:1::/48
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "networks.txt"
    path.write_text(LISTED)
    return path


# -- addresses ---------------------------------------------------------------------------------------------------

_V4 = st.integers(0, 2**32 - 1) | st.sampled_from([0, 2**32 - 1]) | st.integers(0xC0000200, 0xC0000300)
_V6 = st.integers(0, 2**128 - 1) | st.integers(0x20010DB8 << 96, (0x20010DB8 << 96) + 2**20)
_NETWORK = st.tuples(_V4, st.integers(0, 32)).map(lambda n: str(ip_network((n[0], n[1]), strict=False))) | st.tuples(
    _V6, st.integers(90, 128)
).map(lambda n: str(ip_network((IPv6Address(n[0]), n[1]), strict=False)))
_TEXT = st.sampled_from(
    [
        "", " ", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "1.2.3.4:80", "192.0.2.x", "::", "::1",
        "::ffff:192.0.2.1", "fe80::1%eth0", "2001:DB8::1", "0x7f.1", "١.٢.٣.٤", "1.2.3.4\n", "-1.2.3.4", "localhost",
    ]
)  # fmt: skip
_ADDRESS = _V4.map(lambda n: str(ip_address(n))) | _V6.map(lambda n: str(IPv6Address(n))) | _TEXT | st.none()


def expected_kind(text: str | None, networks: list[str]) -> str | None:
    if text is None:
        return None
    try:
        address: Any = ip_address(text)
    except ValueError:
        return "invalid"
    address = getattr(address, "ipv4_mapped", None) or address
    return "data_centre" if any(address in ip_network(network) for network in networks) else "other"


@settings(max_examples=examples(200))
@given(st.lists(_NETWORK, min_size=1, max_size=6), st.lists(_ADDRESS, max_size=20), st.booleans())
def test_an_address_is_in_a_network_or_not(networks: list[str], addresses: list[str | None], borders: bool) -> None:
    if borders:
        ends = [ip_network(network) for network in networks]
        addresses = [*addresses, *(str(end[place]) for end in ends for place in (0, -1))]
    with NamedTemporaryFile() as file:
        Path(file.name).write_text("\n".join(networks))
        known = read_networks(Path(file.name))
    found = known.kinds(pl.Series("ip", addresses, dtype=pl.String))
    assert found.name == "ip"
    assert found.to_list() == [expected_kind(address, networks) for address in addresses]


def test_a_network_may_be_written_as_part_of_ipv6() -> None:
    with NamedTemporaryFile() as file:
        Path(file.name).write_text("::ffff:192.0.2.0/120\n::ffff:198.51.100.7\n")
        known = read_networks(Path(file.name))
    addresses = ["192.0.2.1", "::ffff:192.0.2.255", "192.0.3.1", "198.51.100.7", "::"]
    expected = ["data_centre", "data_centre", "other", "data_centre", "other"]
    assert known.kinds(pl.Series(addresses)).to_list() == expected


def test_the_list_has_comments_and_single_addresses(listed: Path) -> None:
    known = read_networks(listed)
    assert (known.listed, len(known.v4), len(known.v6)) == (4, 2, 1)
    assert known.of == str(listed)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "192.0.2.0/24\n192.0.2.1/24\n",
            "'192.0.2.1/24': 192.0.2.1 is not the first address of the network \\(.*, line 2\\)",
        ),
        ("192.0.2.0/33\n", "'192.0.2.0/33': not a network or an address \\(.*, line 1\\)"),
        ("\n\nprefix,region\n", "'prefix,region': not a network or an address \\(.*, line 3\\)"),
        ("fe80::1%eth0\n", "'fe80::1%eth0': not a network or an address"),
        ("# nothing\n\n", "the list of networks is empty"),
        (b"\xff\xfe1", "cannot read the networks: not UTF-8"),
        (None, "cannot read the networks: "),
    ],
)
def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path, text: str | bytes | None, error: str) -> None:
    path = tmp_path / "networks.txt"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError, match=error) as caught:
        read_networks(path)
    assert str(path) in str(caught.value)


# -- traffic -----------------------------------------------------------------------------------------------------

SHOWN = ["192.0.2.9", "192.0.3.9", "::ffff:192.0.2.200", "2001:db8:1:2::3", None, "proxy", "198.51.100.7"]
Fill = Callable[..., EventStore]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with DuckdbStore(tmp_path / "store.duckdb") as opened:
        feeds = {name: with_own_fields(FEEDS[name], {"ip": "text"}) for name in ("impressions", "clicks")}
        opened.prepare(feeds)
        for name, addresses in (("impressions", SHOWN), ("clicks", SHOWN[:2])):
            rows = [
                GOOD[name] | {"ip": ip, "timestamp": f"2026-01-05T10:00:{second:02}.5Z", "user_id": f"u{second}"}
                for second, ip in enumerate(addresses)
            ]
            payloads = [json.dumps(row).encode() for row in rows]
            batch = Batch(Span(feeds[name].topic, 0, 0, len(rows)), range(len(rows)), payloads, [INGESTED] * len(rows))
            opened.commit(process(batch, feeds[name], Policy()))
        yield opened


def test_traffic_from_data_centres_is_general_invalid_traffic(store: EventStore, listed: Path) -> None:
    centres = DataCentres(read_networks(listed))
    answer = ask(quality, store, data_centres=centres)
    rows = {(row["reason"], row["feed"]): row for row in answer.table("suspected").to_dicts()}
    assert rows["data_centre", "impressions"]["events"] == 4
    assert rows["data_centre", "clicks"]["events"] == 1
    assert rows["data_centre", "clicks"]["kind"] == "general"
    assert answer.facts["invalid_events"]["general"] == {"clicks": 1, "impressions": 4}
    assert "1 of the impressions have an unreadable IP address and were not checked for data_centre." in answer.notes
    assert answer.parameters["data_centres"] == {"list": str(listed), "networks": 4, "field": "ip"}
    without = ask(quality, store)
    assert "data_centre" not in without.table("suspected")["reason"].to_list()
    assert "data_centre" not in without.table("suspected_users").columns


def test_it_is_left_out_of_any_question_and_can_be_grouped_by(store: EventStore, listed: Path) -> None:
    centres = DataCentres(read_networks(listed))
    answer = ask(summarise, store, valid_only=True, data_centres=centres)
    assert answer.facts["counts"]["impressions"] == 3
    assert answer.facts["gross"]["counts"]["impressions"] == 7
    by_kind = ask(lambda view, scope: performance(view, scope, by="ip_kind"), store, data_centres=centres)
    rows = {row["ip_kind"]: (row["impressions"], row["clicks"]) for row in by_kind.table("rows").to_dicts()}
    assert rows == {"data_centre": (4, 1), "other": (1, 1), "invalid": (1, 0), None: (1, 0)}


def test_a_field_that_no_feed_has_is_an_error(store: EventStore, listed: Path) -> None:
    with pytest.raises(ConfigurationError, match="no feed has a text field 'address'") as caught:
        ask(quality, store, data_centres=DataCentres(read_networks(listed), field="address"))
    assert caught.value.setting == ("analysis", "ip_field")


def test_an_address_is_a_text_in_each_feed_that_has_one(listed: Path) -> None:
    with DuckdbStore(Path(":memory:")) as store:
        kinds: dict[str, OwnKind] = {"impressions": "text", "clicks": "count"}
        store.prepare({name: with_own_fields(FEEDS[name], {"ip": kind}) for name, kind in kinds.items()})
        with pytest.raises(ConfigurationError, match="'ip' of clicks is not a text"):
            ask(quality, store, data_centres=DataCentres(read_networks(listed)))


def test_no_feed_has_a_field_ip_kind_of_its_own(listed: Path) -> None:
    with DuckdbStore(Path(":memory:")) as store:
        store.prepare({name: with_own_fields(FEEDS[name], {own: "text"}) for name, own in
                       (("impressions", "ip"), ("clicks", "ip_kind"))})  # fmt: skip
        with pytest.raises(ConfigurationError, match="clicks have a field 'ip_kind' of their own"):
            ask(quality, store, data_centres=DataCentres(read_networks(listed)))


def test_the_settings_name_the_list_and_the_field(
    tmp_path: Path, listed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    extra = "\n".join(f'[feeds.{feed}.extra]\naddress = "text"' for feed in ("impressions", "clicks"))
    analysis = f'[analysis]\ndata_centres = "{listed}"\nip_field = "address"\n'
    (tmp_path / "advertisex.toml").write_text(extra + "\n" + analysis)
    rows = [GOOD["impressions"] | {"address": ip, "user_id": f"u{number}"} for number, ip in enumerate(SHOWN)]
    (tmp_path / "shown.ndjson").write_text("\n".join(map(json.dumps, rows)))

    def answer(*arguments: str) -> Any:
        capfd.readouterr()
        assert run("analyze", *arguments, "--json") == 0
        return json.loads(capfd.readouterr().out)

    with commands_in(tmp_path):
        assert run("ingest", "impressions", "shown.ndjson") == 0
        assert run("process") == 0
        assert answer("summary", "--valid-only")["counts"]["impressions"] == 3
        suspected = answer("quality")["suspected"]
        (row,) = [row for row in suspected if row["reason"] == "data_centre" and row["events"]]
        assert (row["feed"], row["events"]) == ("impressions", 4)
        listed.unlink()
        assert run("analyze", "quality") == 2
        assert "cannot read the networks" in capfd.readouterr().err
