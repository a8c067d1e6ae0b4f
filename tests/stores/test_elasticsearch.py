"""The Elasticsearch store, beyond the contract: its indices, and exactly once without transactions."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from advertisex.analysis.attribution.attribute import attribute
from advertisex.analysis.bids import bids
from advertisex.analysis.correlation import correlate
from advertisex.analysis.funnel import funnel
from advertisex.analysis.quality.report import quality
from advertisex.analysis.reach.report import reach
from advertisex.analysis.restatement import restatement
from advertisex.analysis.scope import Scope
from advertisex.analysis.summary import summarise
from advertisex.errors import ConfigurationError, LedgerMoved, StoreError
from advertisex.feeds import FEEDS
from advertisex.model import STORED_REJECT_COLUMNS, Counts, LedgerRow, Outcome, Partition
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.commit_time import utc_now
from advertisex.stores.contract import EventStore, Range, RejectQuery
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.bulk_lines import BODY_BYTES, chunks, lines_of
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.store import ElasticsearchStore
from advertisex.stores.open import open_store
from advertisex.stores.removal import Removal
from tests.budget import examples, thorough
from tests.contracts.store_places import NewPlace, Place, in_folders
from tests.servers.elasticsearch import LocalElasticsearch
from tests.stores.es_outcomes import message, outcome, with_user
from tests.stores.es_transport import Watched, is_bulk, is_ledger_row

EVERYTHING, ALL = Range(), RejectQuery()
MARCH = message("clicks", "m", timestamp="2026-03-01T00:00:00Z")
FROM_MARCH = Range(since=datetime(2026, 2, 15))


def opened(place: Place, **changes: Any) -> ElasticsearchStore:
    return ElasticsearchStore(place.url, settings=place.elasticsearch.model_copy(update=changes))


def ask(place: Place, method: str, path: str, body: object | None = None) -> Any:
    """Send a request to the cluster directly; {p} is the prefix of this test's index names."""
    connection = Connection(address_of(place.url), ElasticsearchSettings())
    try:
        return connection.request(method, path.replace("{p}", place.elasticsearch.prefix), body).json()
    finally:
        connection.close()


def test_an_amount_is_a_double_for_other_tools_and_an_exact_text(place: Place, store: ElasticsearchStore) -> None:
    values = ["12.50", "8977679486.31", "0.000000000001", "999999999999999999.999999999999", "0"]
    messages = [message("clicks", f"u{number}", value=value) for number, value in enumerate(values)]
    store.commit(outcome("clicks", *messages, message("clicks", "none")))
    ask(place, "POST", "/{p}clicks_conversions_index/_refresh")

    body = {"sort": [{"offset": "asc"}], "query": {"range": {"value": {"gte": 0}}}}
    hits = ask(place, "POST", "/{p}clicks_conversions_index/_search", body)["hits"]["hits"]

    assert [hit["_source"]["value"] for hit in hits] == [12.5, 8977679486.31, 1e-12, 1e18, 0.0]
    exact = ["12.5", "8977679486.31", "0.000000000001", "999999999999999999.999999999999", "0"]
    assert [hit["_source"]["exact"] for hit in hits] == [{"value": text} for text in exact]


def everything(store: EventStore) -> dict[str, Any]:
    """All contents of a store except processing times, in its own order."""
    columns = {
        feed: ["event_id", "offset", "ingested_at", *FEEDS[feed].columns, "topic", "partition"] for feed in FEEDS
    }
    return {
        **{f: [frame for frame in store.scan(f, columns[f], EVERYTHING) if frame.height] for f in FEEDS},
        "rejects": store.rejects(ALL).drop("processed_at"),
        "reject_counts": store.reject_counts(ALL),
        "ledger": store.ledger(),
        "totals": store.user_totals(EVERYTHING, None),
        "totals of k": store.user_totals(EVERYTHING, "k"),
    }


# -- indices -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "names"), [("month", ["2026-01", "2026-02"]), ("day", ["2026-01-31", "2026-02-01"])]
)
def test_events_are_in_the_index_of_their_period_and_searchable_by_the_original_name(
    place: Place, period: str, names: list[str]
) -> None:
    last, first = (message("clicks", "a", timestamp=t) for t in ("2026-01-31T23:59:59.999999Z", "2026-02-01T00:00:00Z"))
    with opened(place, period=period) as store:
        store.commit(outcome("clicks", first, last))
        assert sum(frame.height for frame in store.scan("clicks", ["user_id"], EVERYTHING)) == 2

    indices = ask(place, "GET", "/_alias/{p}clicks_conversions_index")
    assert sorted(indices) == [f"{place.elasticsearch.prefix}clicks_conversions_index-g1-{name}" for name in names]
    found = ask(place, "GET", "/{p}clicks_conversions_index/_search?q=user_id:a")["hits"]["hits"]
    assert sorted(hit["_source"]["event_time"] for hit in found) == [
        "2026-01-31T23:59:59.999999Z",
        "2026-02-01T00:00:00.000000Z",
    ]


def test_another_period_than_that_of_stored_events_is_rejected(place: Place) -> None:
    with opened(place) as store:
        store.commit(outcome("clicks", "a"))

    with pytest.raises(ConfigurationError, match="does not have the period 'day'") as caught:
        opened(place, period="day")
    assert "elasticsearch.period" in caught.value.hint


def test_mappings_are_strict_and_each_field_has_its_type(place: Place, store: ElasticsearchStore) -> None:
    for feed in FEEDS:
        store.commit(outcome(feed, "a"))

    for alias in ("ad_impressions_index", "clicks_conversions_index", "avro_data_index"):
        (index,) = ask(place, "GET", f"/{{p}}{alias}/_mapping").values()
        assert index["mappings"]["dynamic"] == "strict"
    types = {name: field["type"] for name, field in index["mappings"]["properties"].items()}
    assert types["user_id"] == types["targeting"] == "keyword"
    assert types["event_time"] == types["ingested_at"] == "date_nanos"
    assert types["amount"] == types["price_paid"] == "double"
    assert types["user_slice"] == "short"
    assert index["mappings"]["properties"]["exact"] == {"type": "object", "enabled": False}
    with pytest.raises(StoreError, match="is not allowed"):
        ask(place, "POST", "/{p}avro_data_index-g1-2026-01/_doc", {"user_id": "a", "colour": "red"})


def test_microseconds_are_exact_in_the_index_too(place: Place, store: ElasticsearchStore) -> None:
    times = [f"2026-01-05T10:00:00.12345{digit}Z" for digit in range(3)]
    store.commit(outcome("bids", *(message("bids", "a", timestamp=time) for time in times)))
    ask(place, "POST", "/{p}avro_data_index/_refresh")

    query = {"query": {"range": {"event_time": {"gt": times[0], "lt": times[2]}}}}
    (hit,) = ask(place, "POST", "/{p}avro_data_index/_search", query)["hits"]["hits"]
    assert hit["_source"]["event_time"] == times[1]


def test_reopening_changes_no_data_and_updates_mappings(place: Place) -> None:
    with opened(place) as store:
        store.commit(outcome("clicks", "a", b"x"))
        before = everything(store)
    mapping = ask(place, "GET", "/{p}clicks_conversions_index/_mapping")
    with opened(place) as store:
        assert store.ledger() == before["ledger"]
        assert store.commit(outcome("clicks", "a", start=2)).duplicate == 1
    assert ask(place, "GET", "/{p}clicks_conversions_index/_mapping") == mapping


def test_existing_indices_are_used(place: Place) -> None:
    opened(place).close()  # creates the templates
    ask(place, "PUT", "/{p}ad_impressions_index-g1-2026-01")
    with opened(place) as store:
        assert store.commit(outcome("impressions", "a")).stored == 1


def test_an_index_with_the_name_of_an_alias_is_named_with_a_hint(place: Place) -> None:
    ask(place, "PUT", "/{p}clicks_conversions_index")
    with pytest.raises(StoreError, match="the name of an alias is taken by an index") as caught, opened(place) as store:
        store.commit(outcome("clicks", "a"))
    assert "prefix" in caught.value.hint


def test_the_doctor_reports_the_cluster_and_what_is_stored(store: ElasticsearchStore) -> None:
    store.commit(outcome("clicks", "a", b"x"))
    findings = {finding.what: finding for finding in store.inspect()}

    assert findings["store"].good
    assert findings["store's templates"].good
    assert "Elasticsearch 9" in findings["store's version"].detail


def bad(store: ElasticsearchStore) -> dict[str, str]:
    return {finding.what: f"{finding.detail}; {finding.hint}" for finding in store.inspect() if not finding.good}


def test_the_doctor_finds_a_store_that_does_not_match_its_ledger(place: Place, store: ElasticsearchStore) -> None:
    store.commit(outcome("clicks", "a", b"x", "b"))
    store.commit(outcome("bids", "a", "a"))
    assert bad(store) == {}
    foreign = {"topic": "clicks_conversions", "partition": 0, "offset": 0}
    name = ask(place, "POST", "/{p}avro_data_index-g1-2026-01/_doc", foreign)["_id"]
    assert list(bad(store)) == ["store's counts"]
    found = bad(store)["store's counts"]
    assert found.startswith("clicks_conversions/0 has 3 events, but the ledger counts 2; ")
    assert f"/_doc/{name}" in found

    ask(place, "DELETE", f"/{{p}}avro_data_index-g1-2026-01/_doc/{name}")
    for index in ("clicks_conversions_index-g1-2026-01", "advertisex-rejects-g1"):
        ask(place, "DELETE", f"/{{p}}{index}")
        found_now = bad(store)
        assert list(found_now) == ["store's indices", "store's counts"]
        assert f"index {place.elasticsearch.prefix}{index} was deleted" in found_now["store's indices"]
        assert "restore it from a snapshot, or run `advertisex rebuild`" in found_now["store's indices"]
        assert "has 0 events, but the ledger counts 2" in found_now["store's counts"]


def test_the_doctor_does_not_count_documents_beyond_the_ledger(store: ElasticsearchStore, watched: Watched) -> None:
    store.commit(outcome("clicks", "a"))
    crash_before_the_ledger(store, outcome("clicks", "b", b"x", start=1), watched)
    assert bad(store) == {}


@pytest.mark.parametrize("seconds", [-90, 90])
def test_the_doctor_finds_a_clock_that_differs_from_the_clusters(place: Place, seconds: int) -> None:
    def clock() -> datetime:
        return utc_now() + timedelta(seconds=seconds)

    with ElasticsearchStore(place.url, settings=place.elasticsearch, clock=clock) as store:
        assert list(bad(store)) == ["store's clock"]
        assert bad(store)["store's clock"].startswith("-9" if seconds > 0 else "+")
        assert "by NTP" in bad(store)["store's clock"]


# -- what Elasticsearch rejects ----------------------------------------------------------------------------------


def test_an_event_that_lucene_cannot_index_becomes_a_reject_with_its_whole_message(store: ElasticsearchStore) -> None:
    before_1970 = outcome("clicks", "m", "b").events["event_time"].dt.offset_by("-80y")
    given = with_user(outcome("clicks", "a", "m", "b"), 1, "x" * 40_000)
    times = pl.Series("event_time", [given.events["event_time"][0], given.events["event_time"][0], before_1970[1]])

    counts = store.commit(replace(given, events=given.events.with_columns(times)))

    assert counts == Counts(read=3, stored=1, rejected=2)
    rejects = store.rejects(ALL)
    assert rejects["reason"].to_list() == ["store_rejected"] * 2
    assert rejects["stage"].to_list() == ["store"] * 2
    assert rejects["payload"].to_list() == [message("clicks", "m"), message("clicks", "b")]
    assert rejects["offset"].to_list() == [1, 2]
    assert all(rejects["detail"])
    assert store.ledger()[0].counts.balanced


def test_long_text_other_than_an_id_is_stored_whole(store: ElasticsearchStore) -> None:
    website = "https://a.com/" + "é" * 16_000
    assert store.commit(outcome("impressions", message("impressions", "a", website=website))).stored == 1
    assert [frame["website"].to_list() for frame in store.scan("impressions", ["website"], EVERYTHING)] == [[website]]


# -- exactly once ------------------------------------------------------------------------------------------------


class Crash(Exception):
    pass


def crash_before_the_ledger(store: ElasticsearchStore, given: Outcome, watched: Watched) -> None:
    def crash() -> None:
        raise Crash

    watched.once(is_ledger_row, crash)
    with pytest.raises(Crash):
        store.commit(given)


def test_after_a_crash_between_events_and_ledger_events_are_redelivered_not_duplicates(
    place: Place, store: ElasticsearchStore, watched: Watched
) -> None:
    store.commit(outcome("clicks", "old"))
    given = outcome("clicks", "a", "old", b"x", "b", "b", start=1)
    crash_before_the_ledger(store, given, watched)
    assert store.ledger() == [LedgerRow("clicks_conversions", 0, 1, Counts(read=1, stored=1))]

    with opened(place) as restarted:
        counts = restarted.commit(given)

        assert counts == Counts(read=5, stored=2, duplicate=2, rejected=1, redelivered=2)
        assert restarted.ledger()[0].counts == Counts(read=6, stored=3, duplicate=2, rejected=1, redelivered=2)
        assert restarted.rejects(ALL).height == 1
        assert sum(frame.height for frame in restarted.scan("clicks", ["user_id"], EVERYTHING)) == 3


def test_redelivery_in_other_batches_counts_the_same(store: ElasticsearchStore, watched: Watched) -> None:
    users = ["a", "b", "a", "c", "b", "d"]
    crash_before_the_ledger(store, outcome("clicks", *users), watched)

    total = sum((store.commit(outcome("clicks", *users[at : at + 2], start=at)) for at in (0, 2, 4)), start=Counts())

    assert total == Counts(read=6, stored=4, duplicate=2, redelivered=4)


def test_a_worker_that_lost_its_partition_is_fenced_off(
    place: Place, store: ElasticsearchStore, watched: Watched
) -> None:
    first, second = outcome("clicks", "a", b"x"), outcome("clicks", "b", start=2)
    with opened(place) as other:
        # this worker has read the ledger, and pauses before it writes
        watched.once(is_bulk, lambda: other.commit(first))
        with pytest.raises(LedgerMoved):
            store.commit(first)

        assert other.ledger() == [LedgerRow("clicks_conversions", 0, 2, Counts(read=2, stored=1, rejected=1))]
        assert other.rejects(ALL).height == 1
        watched.once(is_bulk, lambda: other.commit(second))
        with pytest.raises(LedgerMoved):
            store.commit(second)
        assert other.ledger()[0].counts == Counts(read=3, stored=2, rejected=1)


@pytest.mark.parametrize("seen", ["written", "read at the start"])
def test_a_ledger_row_that_is_lost_during_a_run_ends_it_and_is_not_recreated(place: Place, seen: str) -> None:
    lost = "/{p}advertisex-ledger-g1/_doc/clicks_conversions%2F0"
    with opened(place) as store:
        store.commit(outcome("clicks", "a", "b"))
        if seen == "written":
            ask(place, "DELETE", lost)
            assert_nothing_is_written(store)
    if seen == "read at the start":
        with opened(place) as store:
            assert store.positions() == {Partition("clicks_conversions", 0): 2}
            ask(place, "DELETE", lost)
            assert_nothing_is_written(store)

    with opened(place) as reopened:  # everything is read again, from the start of the log
        assert reopened.commit(outcome("clicks", "a", "b")) == Counts(read=2, stored=2, redelivered=2)


def assert_nothing_is_written(store: ElasticsearchStore) -> None:
    for start in (2, 0):  # the current batch, and what a reader returns after reading the ledger again
        with pytest.raises(StoreError, match="the ledger row of this partition is gone") as caught:
            store.commit(outcome("clicks", "c", start=start))
        assert not isinstance(caught.value, LedgerMoved)
        assert "restore that index" in caught.value.hint
    assert store.ledger() == []
    assert store.extent("clicks", EVERYTHING).events == 2


def test_a_ledger_row_that_is_lost_during_a_commit_is_not_recreated(
    place: Place, store: ElasticsearchStore, watched: Watched
) -> None:
    store.commit(outcome("clicks", "a"))
    watched.once(is_ledger_row, lambda: ask(place, "DELETE", "/{p}advertisex-ledger-g1"))
    with pytest.raises(StoreError, match="no such index") as caught:
        store.commit(outcome("clicks", "b", start=1))
    assert "it was deleted: restore it from a snapshot" in caught.value.hint
    with pytest.raises(StoreError, match="no such index"):
        store.commit(outcome("clicks", "a"))
    for read_only in (True, False):  # it is not taken for an empty store
        with pytest.raises(StoreError, match="advertisex-ledger-g1 was deleted") as caught:
            ElasticsearchStore(place.url, settings=place.elasticsearch, read_only=read_only)
        assert "run `advertisex rebuild`" in caught.value.hint


def test_an_index_of_events_that_is_lost_during_a_run_is_not_recreated(place: Place, store: ElasticsearchStore) -> None:
    store.commit(outcome("clicks", "a"))
    store.commit(outcome("clicks", MARCH, start=1))
    ask(place, "DELETE", "/{p}clicks_conversions_index-g1-2026-01")
    with pytest.raises(StoreError, match="no such index") as caught:
        store.commit(outcome("clicks", "b", start=2))
    assert "it was deleted" in caught.value.hint
    assert store.ledger()[0].next_offset == 2

    for read_only in (True, False):  # nor by the next run
        with (
            pytest.raises(StoreError, match="clicks_conversions_index-g1-2026-01 was deleted") as caught,
            ElasticsearchStore(place.url, settings=place.elasticsearch, read_only=read_only) as other,
        ):
            other.extent("clicks", EVERYTHING)
        assert "run `advertisex rebuild`" in caught.value.hint
    assert store.extent("clicks", FROM_MARCH).events == 1
    ask(place, "PUT", "/{p}clicks_conversions_index-g1-2026-01")  # by hand, empty
    with pytest.raises(StoreError, match="created again by another tool"):
        store.user_totals(EVERYTHING, None)
    assert store.user_totals(FROM_MARCH, None).height == 1


def test_an_index_that_a_snapshot_restores_is_used_again(place: Place, store: ElasticsearchStore) -> None:
    store.commit(outcome("clicks", "a"))
    name = "/{p}clicks_conversions_index-g1-2026-01"
    (index,) = ask(place, "GET", name).values()
    ask(place, "POST", f"{name}/_refresh")
    documents = ask(place, "GET", f"{name}/_search")["hits"]["hits"]
    ask(place, "DELETE", name)
    ask(place, "PUT", name, {"mappings": index["mappings"]})  # what a restore without aliases leaves
    for hit in documents:
        ask(place, "PUT", f"{name}/_doc/{hit['_id']}?refresh", hit["_source"])

    with opened(place) as restarted:
        assert restarted.extent("clicks", EVERYTHING).events == 1
        assert "does not have the alias" in bad(restarted)["store's indices"]
        assert restarted.commit(outcome("clicks", "a", "b", start=1)) == Counts(read=2, stored=1, duplicate=1)
        assert bad(restarted) == {}


def test_a_closed_or_blocked_month_is_named_and_needed_only_by_its_own_questions(
    place: Place, store: ElasticsearchStore
) -> None:
    store.commit(outcome("clicks", "a", MARCH))
    january = "{p}clicks_conversions_index-g1-2026-01"
    name = january.replace("{p}", place.elasticsearch.prefix)
    ask(place, "POST", f"/{january}/_close")
    for use in (lambda: store.extent("clicks", EVERYTHING), lambda: store.commit(outcome("clicks", "b", start=2))):
        with pytest.raises(StoreError, match=f"index {name} is closed") as caught:
            use()
        assert caught.value.hint == f"open it: POST /{name}/_open"
    assert bad(store) == {"store's indices": f"index {name} is closed; open it: POST /{name}/_open"}
    assert store.extent("clicks", FROM_MARCH).events == 1
    ask(place, "POST", f"/{january}/_open")

    ask(place, "PUT", f"/{january}/_settings", {"index.blocks.write": True})
    with pytest.raises(StoreError, match=f"{name}. blocked") as caught:
        store.commit(outcome("clicks", "b", start=2))
    unblock = f'PUT /{name}/_settings {{"index.blocks.write": null}}'
    assert unblock in caught.value.hint
    assert unblock in bad(store)["store's indices"]
    assert store.extent("clicks", EVERYTHING).events == 2
    assert store.ledger()[0].counts == Counts(read=2, stored=2)


def test_a_closed_month_is_not_needed_by_questions_about_later_ones(place: Place, store: ElasticsearchStore) -> None:
    for feed in FEEDS:
        more = {"conversion_type": "signup"} if feed == "clicks" else {}
        store.commit(outcome(feed, "a", message(feed, "b", timestamp="2026-03-10T00:00:00Z", **more)))
        index = f"/{store._indices.names.events(feed, '2026-01')}"
        ask(place, "POST", f"{index}/_close")
    with pytest.raises(StoreError, match="is closed"):
        summarise(store)
    later, last = Scope(since=datetime(2026, 3, 5)), datetime(2026, 3, 10)
    for question in (summarise, correlate, funnel, attribute, reach, bids, quality):
        answer = question(store, later)
        assert set(answer.computed_from.values()) <= {0, 1}, question
        assert answer.horizon == last, question
    assert restatement(store, later, start=datetime(2026, 1, 1)).horizon == last


@pytest.mark.parametrize("without", [(), ("event_time",)])
def test_a_document_of_another_tool_is_named_with_the_request_that_deletes_it(
    place: Place, store: ElasticsearchStore, without: tuple[str, ...]
) -> None:
    store.commit(outcome("clicks", "a"))
    index = store._indices.names.events("clicks", "2026-01")
    ask(place, "POST", f"/{index}/_refresh")
    (hit,) = ask(place, "GET", f"/{index}/_search")["hits"]["hits"]
    copy = {name: value for name, value in hit["_source"].items() if name not in without}
    other = ask(place, "POST", f"/{index}/_doc", copy)["_id"]
    hint = f"delete it: DELETE /{index}/_doc/{other}"

    uses = [lambda: list(store.scan("clicks", ["user_id"], EVERYTHING)), lambda: quality(store)]
    for use in uses + [lambda: store.extent("clicks", EVERYTHING)] * bool(without):
        with pytest.raises(StoreError, match=f"document {other} in index {index} is not an event") as caught:
            use()
        assert caught.value.hint == hint
    assert bad(store)["store's counts"].endswith(hint)
    ask(place, "DELETE", f"/{index}/_doc/{other}")
    assert bad(store) == {}


def test_a_document_of_another_tool_with_the_id_of_an_event_is_not_taken_for_it(
    place: Place, store: ElasticsearchStore
) -> None:
    store.commit(outcome("clicks", "a"))
    given, index = outcome("clicks", "b", start=1), store._indices.names.events("clicks", "2026-01")
    ask(place, "PUT", f"/{index}/_doc/{given.events['event_id'][0].hex()}", {"user_id": "b"})
    assert store.commit(given).duplicate == 1


def test_what_another_tool_left_under_our_names_is_named_and_not_used(place: Place, store: ElasticsearchStore) -> None:
    prefix = place.elasticsearch.prefix
    template = f"/_index_template/{prefix}other"
    body = {"index_patterns": [f"{prefix}clicks*"], "priority": 700, "template": {}}
    ask(place, "PUT", template, body)
    with pytest.raises(StoreError, match=f"index template {prefix}other matches") as caught:
        store.commit(outcome("clicks", "a"))
    assert "lower its priority" in caught.value.hint
    assert f"{prefix}other" in bad(store)["store's templates"]
    ask(place, "DELETE", template)

    types = {"mappings": {"dynamic": "strict", "properties": {"user_id": {"type": "long"}}}}
    ask(place, "PUT", "/{p}clicks_conversions_index-g1-2026-01", types | {"settings": {"number_of_replicas": 0}})
    with pytest.raises(StoreError, match="another tool created it: rename or delete it"):
        store.commit(outcome("clicks", "a"))
    assert store.ledger() == []
    ask(place, "DELETE", "/{p}clicks_conversions_index-g1-2026-01")
    assert store.commit(outcome("clicks", "a")).stored == 1

    settings = "/{p}clicks_conversions_index-g1-2026-01/_settings"
    ask(place, "PUT", settings, {"index.default_pipeline": "absent"})
    with pytest.raises(StoreError, match="pipeline with id"):
        store.commit(outcome("clicks", "b", start=1))
    with opened(place) as restarted, pytest.raises(StoreError, match="default_pipeline is absent"):
        restarted.commit(outcome("clicks", "b", start=1))
    assert "index.default_pipeline is absent" in bad(store)["store's indices"]
    assert store.ledger()[0].counts == Counts(read=1, stored=1)
    ask(place, "PUT", settings, {"index.default_pipeline": None})
    assert store.commit(outcome("clicks", "b", start=1)) == Counts(read=1, stored=1)


def test_a_setting_that_ignores_values_hides_no_event(place: Place, store: ElasticsearchStore) -> None:
    store.commit(outcome("clicks", "a-long-id"))
    january = "{p}clicks_conversions_index-g1-2026-01"
    ask(place, "POST", f"/{january}/_close")
    ask(place, "PUT", f"/{january}/_settings", {"index.mapping.ignore_above": 5, "index.max_result_window": 100})
    ask(place, "POST", f"/{january}/_open")

    with pytest.raises(StoreError, match=r"index\.mapping\.ignore_above is 5"):
        store.commit(outcome("clicks", "another-long-id", start=1))
    with pytest.raises(StoreError, match=r"index\.mapping\.ignore_above is 5"):
        store.remove(Removal("e", ["another-long-id"], pl.DataFrame(schema=STORED_REJECT_COLUMNS), {}))
    assert "index.mapping.ignore_above is 5" in bad(store)["store's indices"]
    with pytest.raises(StoreError, match=r"the setting index\.max_result_window is too low"):
        list(store.scan("clicks", ["user_id"], EVERYTHING))
    assert ask(place, "GET", f"/{january}/_count?q=user_id:another-long-id")["count"] == 1, "the mapping is explicit"

    ask(place, "POST", f"/{january}/_close")
    ask(place, "PUT", f"/{january}/_settings", {"index.mapping.ignore_above": None, "index.max_result_window": None})
    ask(place, "POST", f"/{january}/_open")
    assert store.commit(outcome("clicks", "another-long-id", start=1)).stored == 1
    assert bad(store) == {}


def test_an_index_that_was_created_again_under_the_template_of_another_tool_is_not_counted(
    place: Place, store: ElasticsearchStore
) -> None:
    """Nothing then forbids that a write creates it."""
    store.commit(outcome("clicks", "a"))
    ask(place, "DELETE", "/_index_template/{p}clicks_conversions_index-g1")
    ask(place, "DELETE", "/{p}clicks_conversions_index-g1-2026-01")
    with pytest.raises(StoreError, match="created again by another tool"):
        store.commit(outcome("clicks", "b", start=1))
    assert store.ledger()[0].next_offset == 1


def test_an_event_that_was_erased_after_its_conflict_is_written(
    place: Place, store: ElasticsearchStore, watched: Watched
) -> None:
    given = outcome("clicks", "a")
    store.commit(given)
    event = f"/{{p}}clicks_conversions_index-g1-2026-01/_doc/{given.events['event_id'][0].hex()}"
    watched.once(lambda method, path, body: "/_mget" in path, lambda: ask(place, "DELETE", event))
    assert store.commit(outcome("clicks", "a", start=1)) == Counts(read=1, stored=1)


# -- paging ------------------------------------------------------------------------------------------------------


def test_results_larger_than_a_page_are_read_whole(store: ElasticsearchStore) -> None:
    users = [f"u{number:05}" for number in range(24_000)]
    store.commit(outcome("clicks", *users))
    store.commit(outcome("impressions", *[b"x"] * 24_000))

    assert store.user_totals(EVERYTHING, None).rows() == [(user, 1, 0) for user in users]
    frames = list(store.scan("clicks", ["offset", "event_id"], EVERYTHING))
    assert sorted(offset for frame in frames for offset in frame["offset"]) == list(range(24_000))
    assert max(frame.height for frame in frames) <= 10_000
    assert store.rejects(ALL)["offset"].to_list() == list(range(24_000))
    for limit in (0, 1, 2_000, 2_001, 12_345, 24_000, 30_000):
        assert store.rejects(RejectQuery(limit=limit))["offset"].to_list() == list(range(min(limit, 24_000)))
    assert store.reject_counts(ALL).drop("hour").rows() == [("impressions", "rejected", "undecodable", 24_000)]


def test_a_scan_that_is_closed_early_leaves_nothing_open(place: Place, store: ElasticsearchStore) -> None:
    store.commit(outcome("clicks", *(f"u{number:05}" for number in range(5_000))))
    scan = store.scan("clicks", ["user_id"], EVERYTHING)
    next(scan)
    scan.close()

    stats = ask(place, "GET", "/{p}clicks_conversions_index/_stats/search")
    assert stats["_all"]["total"]["search"]["open_contexts"] == 0


# -- login -------------------------------------------------------------------------------------------------------


@thorough
def test_a_secured_cluster_accepts_only_the_right_password() -> None:
    with LocalElasticsearch(security=True) as secured:
        with open_store(secured.url) as store:
            assert store.commit(outcome("clicks", "a")).stored == 1
        for url in (secured.url.replace(secured.password, "wrong"), f"elasticsearch://127.0.0.1:{secured.port}"):
            with pytest.raises(StoreError, match="401") as caught:
                open_store(url, read_only=True)
            assert "password" in caught.value.hint
            assert "wrong" not in str(caught.value)


# -- the same as DuckDB ------------------------------------------------------------------------------------------

USERS = st.sampled_from(["a", "b", "é\U0001f642", "-7", "", "null", "Z", "\U0001f642"])
#: Few times, so that many events are duplicates, and some of them conflicts.
TIMES = st.sampled_from(["2026-01-28T00:00:00Z", "2026-01-31T23:59:59.999999Z", "2026-02-01T00:00:00Z"])
MONEY = st.decimals(0, 10**18, places=12, allow_nan=False).map(lambda amount: f"{amount:f}")
MORE = {
    "value": MONEY,
    "amount": MONEY,
    "cost": MONEY,
    "price_paid": st.sampled_from(["1", "1.0", "2"]),
    "currency": st.sampled_from(["eur", "EUR", "USD"]),
    "user_agent": st.sampled_from(["A", "B"]),
    "website": st.just('http://b.org/"\\\n'),
    "conversions": st.integers(0, 10**9),
    "clicks": st.integers(0, 10**9),
}
MESSAGES = st.one_of(
    st.tuples(USERS, st.fixed_dictionaries({"timestamp": TIMES}, optional=MORE)), st.binary(max_size=20)
)
COMMITS = st.lists(st.tuples(st.sampled_from(list(FEEDS)), st.lists(MESSAGES, max_size=60)), min_size=1, max_size=6)


#: No shrinking: on a server it takes longer than a test may.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


@settings(max_examples=examples(8), suppress_health_check=list(HealthCheck), phases=PHASES)
@given(commits=COMMITS)
def test_the_same_outcomes_give_the_same_contents_in_duckdb(
    places: NewPlace, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, commits: Any
) -> None:
    with (
        in_folders(request, tmp_path_factory) as in_folder,
        places().open() as searched,
        in_folder().open() as embedded,
    ):
        starts = dict.fromkeys(FEEDS, 0)
        for feed, messages in commits:
            payloads = [m if isinstance(m, bytes) else message(feed, m[0], **m[1]) for m in messages]
            given_outcome = outcome(feed, *payloads, start=starts[feed])
            assert searched.commit(given_outcome) == embedded.commit(given_outcome)
            starts[feed] += len(messages)
        one, other = everything(searched), everything(embedded)
        for feed in FEEDS:
            frames = [pl.concat(side[feed]).sort("offset") if side[feed] else None for side in (one, other)]
            assert (frames[0] is None) == (frames[1] is None)
            if frames[0] is not None and frames[1] is not None:
                assert frames[0].schema == frames[1].schema
                assert frames[0].rows() == frames[1].rows()
        assert one["ledger"] == other["ledger"]
        for name in ("rejects", "reject_counts", "totals", "totals of k"):
            assert one[name].schema == other[name].schema
            assert one[name].rows() == other[name].rows()


# -- bodies ------------------------------------------------------------------------------------------------------


def test_bodies_are_bounded_and_contain_each_row_once() -> None:
    frame = pl.DataFrame({"event_id": [bytes([i % 256]) * 16 for i in range(900)], "text": ["é\n" * 15_000] * 900})

    seen = 0
    for chunk in chunks(frame):
        lines = lines_of(chunk, pl.col("event_id").bin.encode("hex"), "create")
        for rows in lines.parts():
            body = lines.body(rows)
            assert len(body) < BODY_BYTES + 60_000
            assert body == lines.body(list(rows))
            actions, documents = body.splitlines()[::2], body.splitlines()[1::2]
            assert [json.loads(a)["create"]["_id"] for a in actions] == [
                i.hex() for i in chunk["event_id"][rows.start : rows.stop]
            ]
            assert [json.loads(document) for document in documents] == [{"text": "é\n" * 15_000}] * len(rows)
            seen += len(rows)
    assert seen == 900
