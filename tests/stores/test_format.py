"""The format of stores: what it covers, and what happens to a store of another one."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import duckdb
import msgspec
import pytest

from advertisex.errors import StoreOutdated
from advertisex.feeds import FEEDS
from advertisex.feeds.feed import Feed
from advertisex.feeds.rules import MAX_AMOUNT, MAX_COUNT, PLACEHOLDERS
from advertisex.feeds.words import MISSING
from advertisex.model import USER_SLICES
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.duckdb.schema import statements
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.mappings import MAPPINGS, event_mapping
from advertisex.stores.elasticsearch.store import ElasticsearchStore
from advertisex.stores.format import FORMAT, check_format
from tests.contracts.store_places import Place

#: Fingerprints of what each format covers. If one differs, a store of this format would be read or continued wrongly:
#: raise `FORMAT`, and put the new fingerprints here. (A changed comment of a column is no reason; put it here only.)
FINGERPRINTS = {8: {"tables": "12a2dcf3b850cf9c", "mappings": "01ebf1f48de9884f", "feeds": "5640f3a482cf605d"}}


def fingerprint(*parts: object) -> str:
    return blake2b("\n".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def described(feed: Feed) -> Iterator[object]:
    """What decides which messages are events of a feed, their values and their identity."""
    yield from (feed.name, feed.identity, feed.columns)
    yield from ((f.name, f.kind, f.required, f.aliases, f.is_id, f.stored) for f in feed.fields)
    yield from ((rule.code, rule.field) for rule in feed.rules)
    yield from (computed.column for computed in feed.computed)


def current() -> dict[str, str]:
    without_comments = [statement for statement in statements() if not statement.startswith("COMMENT")]
    mappings = [MAPPINGS, *map(event_mapping, FEEDS.values())]
    limits = (PLACEHOLDERS, MISSING, MAX_COUNT, MAX_AMOUNT, USER_SLICES)
    return {
        "tables": fingerprint(*without_comments),
        "mappings": fingerprint(msgspec.json.encode(mappings, order="deterministic")),
        "feeds": fingerprint(limits, *(part for feed in FEEDS.values() for part in described(feed))),
    }


def test_a_change_of_what_the_format_covers_raises_it() -> None:
    assert FINGERPRINTS[FORMAT] == current(), "raise FORMAT (stores/format.py), and update FINGERPRINTS in this file"


@pytest.mark.parametrize("found", [1, FORMAT - 1, FORMAT + 1, 99])
def test_another_format_is_an_error_that_names_the_command(found: int) -> None:
    with pytest.raises(StoreOutdated, match=rf"format {found}, but .* format {FORMAT}") as caught:
        check_format(found, "its place")
    assert caught.value.where == "its place"
    assert "`advertisex rebuild`" in caught.value.hint


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("found", [FORMAT - 1, FORMAT + 1])
def test_a_file_of_another_format_is_not_opened(tmp_path: Path, found: int, *, read_only: bool) -> None:
    path = tmp_path / "store.duckdb"
    DuckdbStore(path).close()
    with duckdb.connect(str(path)) as db:
        db.execute("UPDATE store SET format = ?", (found,))
    before = path.read_bytes()

    with pytest.raises(StoreOutdated, match=f"format {found}") as caught:
        DuckdbStore(path, read_only=read_only)

    assert caught.value.where == str(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_format_1_is_not_opened(tmp_path: Path, *, read_only: bool) -> None:
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as db:
        db.execute("CREATE TABLE ledger (topic VARCHAR, partition INTEGER, next_offset BIGINT)")
    with pytest.raises(StoreOutdated, match="format 1"):
        DuckdbStore(path, read_only=read_only)


@pytest.mark.parametrize("found", [FORMAT - 1, FORMAT + 1])
def test_indices_of_another_format_are_not_opened(place: Place, found: int) -> None:
    settings = place.elasticsearch
    ElasticsearchStore(place.url, settings=settings).close()
    connection = Connection(address_of(place.url), ElasticsearchSettings())
    mapping = f"/{settings.prefix}advertisex-ledger/_mapping"
    body = {"_meta": {"format": found}, "properties": {"columns": {"properties": {"clicks": {"properties": {
        "shape": {"type": "ip"}}}}}}}  # fmt: skip
    connection.request("PUT", mapping, body)
    before = connection.request("GET", f"/{settings.prefix}*").data

    for read_only in (False, True):
        with pytest.raises(StoreOutdated, match=f"format {found}") as caught:
            ElasticsearchStore(place.url, settings=settings, read_only=read_only)
        assert caught.value.where.startswith("elasticsearch://")
    assert connection.request("GET", f"/{settings.prefix}*").data == before
    connection.close()
