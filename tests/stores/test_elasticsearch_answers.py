"""The Elasticsearch store against a fake server that gives the responses which a healthy cluster seldom gives."""

import base64
import fnmatch
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
import pytest
from pydantic import SecretStr

from advertisex.errors import ConfigurationError, LedgerMoved, StoreError, StoreInterrupted
from advertisex.feeds import FEEDS
from advertisex.model import STORED_REJECT_COLUMNS, Counts
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.contract import RejectQuery
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.aggregations import extent_of
from advertisex.stores.elasticsearch.mappings import event_mapping
from advertisex.stores.elasticsearch.retry import RetryPolicy
from advertisex.stores.elasticsearch.store import ElasticsearchStore
from advertisex.stores.removal import Removal
from tests.budget import some
from tests.stores.es_outcomes import message, outcome, with_user

SECRET = "s3cret/p@ss"
ENCODED = "s3cret%2Fp%40ss"

#: Status and body; None closes the connection.
Reply = tuple[int, Any] | None


@dataclass
class Cluster:
    """Answers bulk requests with the prepared replies, and after these as if every item were written.

    It keeps notes and the mappings, settings and aliases of indices as a cluster does.
    """

    port: int = 0
    bulk: list[Callable[[list[str]], Reply]] = field(default_factory=list)
    puts: list[Reply] = field(default_factory=list)
    everything: Reply = (0, None)
    seen: list[tuple[str, str, Any]] = field(default_factory=list)
    written: dict[str, list[str]] = field(default_factory=dict)
    rejects: list[bytes] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, Any] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    indices: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"elasticsearch://127.0.0.1:{self.port}"

    def answer(self, method: str, path: str, body: bytes, headers: Any) -> Reply:
        with self.lock:
            self.seen.append((method, path, headers))
            if self.everything is None or self.everything[0]:
                return self.everything
            if "_bulk" in path:
                ids = [next(iter(json.loads(line).values()))["_id"] for line in body.splitlines()[::2]]
                if "rejects" in path:
                    self.rejects += body.splitlines()[1::2]
                reply = self.bulk.pop(0)(ids) if self.bulk else written(ids)
                if (
                    reply
                    and reply[0] == 200
                    and isinstance(reply[1], dict)
                    and len(reply[1].get("items", [])) == len(ids)
                ):
                    answered = [item["create"]["status"] for item in reply[1]["items"]]
                    kept = [i for i, status in zip(ids, answered, strict=True) if status == 201]
                    self.written.setdefault(path.split("/")[1], []).extend(kept)
                return reply
            if "_mget" in path:
                return 200, self.found
            if "/_doc/" in path:
                return self.answer_note(method, path, body) if "notes" in path else self.answer_ledger(method, body)
            return self.answer_index(method, unquote(path.partition("?")[0]).strip("/"), body)

    def answer_note(self, method: str, path: str, body: bytes) -> Reply:
        key = path.partition("?")[0]
        if method == "PUT":
            self.notes[key] = json.loads(body)
            return 201, {"result": "created"}
        return (200, {"found": True, "_source": self.notes[key]}) if key in self.notes else (404, {"found": False})

    def answer_index(self, method: str, path: str, body: bytes) -> Reply:
        if method == "PUT" and "/" not in path:
            made = json.loads(body)
            self.indices[path] = {"aliases": {}, "settings": {"index": {}}} | made
        elif path == "_aliases":
            for action in json.loads(body)["actions"]:
                for added in (action["add"] for _ in "a" if "add" in action):
                    self.indices[added["index"]]["aliases"][added["alias"]] = {}
        elif method == "GET" and not path.startswith("_"):
            patterns = path.partition("/")[0].split(",")
            names = ((name, {name, *index["aliases"]}) for name, index in self.indices.items())
            found = {name: self.indices[name] for name, all_ in names if any(fnmatch.filter(all_, p) for p in patterns)}
            absent = {"error": {"type": "index_not_found_exception", "index": path}}
            return (200, found) if found or "*" in path else (404, absent)
        return 200, {}

    def answer_ledger(self, method: str, body: bytes) -> Reply:
        if method == "GET":
            found = {"found": self.ledger is not None, "_seq_no": 1, "_primary_term": 1}
            return (200, found | {"_source": self.ledger}) if self.ledger else (404, found)
        if json.loads(body).get("next_offset", 0) is None:
            return 201, {"result": "created"}  # a partition's document before its first commit
        reply = self.puts.pop(0) if self.puts else (201, {"result": "created"})
        if reply is None or reply[0] < 300:
            self.ledger = json.loads(body)
        return reply


def written(ids: list[str]) -> Reply:
    return 200, {"errors": False, "items": [{"create": {"status": 201, "result": "created"}}] * len(ids)}


def items(*statuses: int, type_: str = "document_parsing_exception") -> Reply:
    def one(status: int) -> dict[str, Any]:
        error = {"result": "created"} if status < 300 else {"error": {"type": type_, "reason": "it says why"}}
        return {"create": {"status": status} | error}

    return 200, {"errors": True, "items": [one(status) for status in statuses]}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            reply = made.answer(self.command, self.path, body, self.headers)
            if reply is None:
                self.close_connection = True
                self.connection.close()
                return
            data = reply[1] if isinstance(reply[1], bytes) else json.dumps(reply[1]).encode()
            self.send_response(reply[0])
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815 - as the library calls them

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...  # connections that we close

    with Server(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


SOON = RetryPolicy(query=0.3, first_pause=0.01)


def opened(cluster: Cluster, retry: RetryPolicy = SOON) -> ElasticsearchStore:
    return ElasticsearchStore(cluster.url, settings=ElasticsearchSettings(parallel=1), retry=retry)


@pytest.fixture
def store(cluster: Cluster) -> Iterator[ElasticsearchStore]:
    with opened(cluster) as made:
        yield made


BUSY: list[Reply] = [(429, {}), (502, b"<html>"), (503, {}), (504, b""), None]


# -- retries -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", BUSY, ids=str)
def test_requests_to_a_busy_or_lost_cluster_are_retried_until_it_accepts_the_events(
    cluster: Cluster, store: ElasticsearchStore, reply: Reply
) -> None:
    cluster.bulk = [lambda ids: reply] * 4

    assert store.commit(outcome("clicks", "a", "b")) == Counts(read=2, stored=2)
    assert cluster.ledger is not None
    assert cluster.ledger["next_offset"] == 2


def test_only_items_that_failed_temporarily_are_sent_again(cluster: Cluster, store: ElasticsearchStore) -> None:
    sent: list[int] = []

    def first(ids: list[str]) -> Reply:
        sent.append(len(ids))
        return items(201, 429, 201, 503)

    def second(ids: list[str]) -> Reply:
        sent.append(len(ids))
        return items(429, 201)

    def third(ids: list[str]) -> Reply:
        sent.append(len(ids))
        return written(ids)

    cluster.bulk = [first, second, third]

    assert store.commit(outcome("clicks", "a", "b", "c", "d")).stored == 4
    assert sent == [4, 2, 1]
    (ids,) = cluster.written.values()
    assert len(ids) == len(set(ids)) == 4


def test_a_body_that_is_too_large_is_split_down_to_the_one_event_that_cannot_be_sent(
    cluster: Cluster, store: ElasticsearchStore
) -> None:
    given = outcome("clicks", *"abcd", message("clicks", "e", campaign_id="c" * 20_000), *"fg")
    large = given.events["event_id"][4].hex()
    cluster.bulk = [lambda ids: (413, b"") if large in ids else written(ids)] * 20

    assert store.commit(given) == Counts(read=7, stored=6, rejected=1)
    ids = cluster.written["clicks_conversions_index-g1-2026-01"]
    assert sorted(ids) == sorted(i.hex() for i in given.events["event_id"] if i.hex() != large)


def test_a_commit_that_waits_can_be_interrupted(cluster: Cluster, store: ElasticsearchStore) -> None:
    cluster.bulk = [lambda ids: (503, {})] * 10_000
    timer = threading.Timer(0.2, store.interrupt)
    timer.start()

    with pytest.raises(StoreInterrupted, match="stopped while waiting"):
        store.commit(outcome("clicks", "a"))
    timer.join()
    assert cluster.ledger is None


def test_a_request_without_a_response_is_abandoned_after_an_interrupt(cluster: Cluster) -> None:
    end = threading.Event()

    def hang(ids: list[str]) -> Reply:
        store.interrupt()
        end.wait()
        return None

    cluster.bulk = [hang]

    with opened(cluster, replace(SOON, grace=0.2)) as store:
        with pytest.raises(StoreInterrupted, match="stopped while waiting to write to the event store"):
            store.commit(outcome("clicks", "a"))
        assert cluster.ledger is None
        end.set()


def test_a_commit_that_makes_progress_is_not_ended_by_an_interrupt(cluster: Cluster, store: ElasticsearchStore) -> None:
    def interrupted(ids: list[str]) -> Reply:
        store.interrupt()
        return written(ids)

    cluster.bulk = [interrupted]

    assert store.commit(outcome("clicks", "a")) == Counts(read=1, stored=1)
    assert cluster.ledger is not None


def test_a_cluster_that_is_away_for_long_is_still_retried_often(cluster: Cluster) -> None:
    cluster.bulk = [
        lambda ids: None,
        lambda ids: (503, {}),
        lambda ids: items(503),
    ] * 20  # doubled pauses: years

    with opened(cluster, replace(SOON, longest_pause=0.02)) as store:
        assert store.commit(outcome("clicks", "a")).stored == 1


@pytest.mark.parametrize("busy", [(429, {}), items(429)])
def test_pauses_are_longer_for_a_busy_cluster_than_for_one_that_is_away(cluster: Cluster, busy: Reply) -> None:
    cluster.bulk = [lambda ids: busy] * 60

    with opened(cluster, replace(SOON, longest_pause=600.0, longest_busy_pause=0.02)) as store:
        assert store.commit(outcome("clicks", "a")).stored == 1


def test_a_ledger_row_whose_response_was_lost_is_written_once(cluster: Cluster, store: ElasticsearchStore) -> None:
    cluster.puts = [None, (409, {"error": {"type": "version_conflict_engine_exception"}})]

    assert store.commit(outcome("clicks", "a")) == Counts(read=1, stored=1)
    assert cluster.ledger is not None
    assert cluster.ledger["stored"] == 1


def test_a_ledger_row_written_by_another_worker_is_a_conflict(cluster: Cluster, store: ElasticsearchStore) -> None:
    cluster.puts = [(409, {"error": {"type": "version_conflict_engine_exception"}})]

    with pytest.raises(LedgerMoved):
        store.commit(outcome("clicks", "a"))


# -- results of items --------------------------------------------------------------------------------------------


def test_one_bad_item_in_a_thousand_is_one_reject(cluster: Cluster, store: ElasticsearchStore) -> None:
    cluster.bulk = [lambda ids: items(*[201] * 613, 400, *[201] * 386)]
    given = with_user(outcome("clicks", *map(str, range(1, 1001))), 613, "x" * 32_767)

    assert store.commit(given) == Counts(read=1000, stored=999, rejected=1)
    assert cluster.written["advertisex-rejects-g1"] == ["clicks_conversions-0-613"]


def test_a_reject_has_the_cause_although_elasticsearch_quotes_a_long_value_first(
    cluster: Cluster, store: ElasticsearchStore
) -> None:
    cause = {"type": "illegal_argument_exception", "reason": "longer than the max length 32766"}
    error = {"type": "document_parsing_exception", "reason": "failed to parse field [k]: " + "c" * 40_000}
    cluster.bulk = [
        lambda ids: (
            200,
            {"errors": True, "items": [{"create": {"status": 400, "error": error | {"caused_by": cause}}}]},
        )
    ]
    given = with_user(outcome("clicks", "a"), 0, "x" * 40_000)
    assert store.commit(given).rejected == 1
    reject = json.loads(cluster.rejects[-1])
    assert reject["detail"].startswith("failed to parse field [k]: cccc")
    assert reject["detail"].endswith("longer than the max length 32766")
    assert len(reject["detail"]) < 250


@pytest.mark.parametrize(
    ("status", "type_"),
    [
        (400, "strict_dynamic_mapping_exception"),
        (400, "document_parsing_exception"),
        (400, "illegal_argument_exception"),
        (400, "index_closed_exception"),
        (403, "cluster_block_exception"),
        (404, "index_not_found_exception"),
        (500, "illegal_state_exception"),
    ],
)
def test_an_error_that_is_not_the_documents_fault_stops_the_commit_and_rejects_nothing(
    cluster: Cluster, store: ElasticsearchStore, status: int, type_: str
) -> None:
    cluster.bulk = [lambda ids: items(201, status, type_=type_)]

    with pytest.raises(StoreError, match="it says why"):
        store.commit(outcome("clicks", "a", "b"))
    assert cluster.ledger is None
    assert "advertisex-rejects-g1" not in cluster.written


@pytest.mark.parametrize("result", ["noop", "updated", "not_found", ""])
def test_an_event_that_was_not_created_is_not_stored(cluster: Cluster, store: ElasticsearchStore, result: str) -> None:
    done = {"create": {"status": 201, "result": "created"}}
    cluster.bulk = [
        lambda ids: (200, {"errors": False, "items": [done, {"create": {"status": 200, "result": result}}]})
    ]

    with pytest.raises(StoreError, match="was not written") as caught:
        store.commit(outcome("clicks", "a", "b"))
    assert "ingest pipeline" in caught.value.hint
    assert cluster.ledger is None


@pytest.mark.parametrize("what", ["ledger", "notes"])
def test_a_document_that_was_not_written_is_an_error(cluster: Cluster, store: ElasticsearchStore, what: str) -> None:
    if what == "ledger":
        cluster.puts = [(200, {"result": "noop"})]
        write = partial(store.commit, outcome("clicks", "a"))
    else:
        cluster.answer_note = lambda method, path, body: (200, {"result": "noop"})  # type: ignore[method-assign]
        write = partial(store.take_note, "alerts", {"a": b"{}"})

    with pytest.raises(StoreError, match="was not written"):
        write()


def test_a_server_that_accepts_no_small_request_is_an_error(cluster: Cluster, store: ElasticsearchStore) -> None:
    cluster.bulk = [lambda ids: (413, b"")] * 9
    with pytest.raises(StoreError, match=r"rejects a request of \d+ bytes as too large"):
        store.commit(outcome("clicks", "a", "b"))
    assert cluster.ledger is None


# -- indices that are not as they were created -------------------------------------------------------------------

INDEX = "clicks_conversions_index-g1-2026-01"
CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "pipeline": (lambda index: index["settings"]["index"].update(default_pipeline="p"), "default_pipeline is p"),
    "final pipeline": (lambda index: index["settings"]["index"].update(final_pipeline="p"), "final_pipeline is p"),
    "mode": (lambda index: index["settings"]["index"].update(mode="logsdb"), "index.mode is logsdb"),
    "synthetic source": (
        lambda index: index["settings"]["index"].update(mapping={"source": {"mode": "synthetic"}}),
        "index.mapping.source.mode is synthetic"),
    "ignored text": (
        lambda index: index["settings"]["index"].update(mapping={"ignore_above": "5"}), "mapping.ignore_above is 5"),
    "ignored values": (
        lambda index: index["settings"]["index"].update(mapping={"ignore_malformed": "true"}),
        "mapping.ignore_malformed is true"),
    "unknown option": (
        lambda index: index["settings"]["index"].update(mapping={"some": {"thing": "1"}}), "mapping.some.thing is 1"),
    "small pages": (
        lambda index: index["settings"]["index"].update(max_result_window="100"), "max_result_window is 100, but must"),
    "few terms": (lambda index: index["settings"]["index"].update(max_terms_count="9"), "max_terms_count is 9, but"),
    "no source": (lambda index: index["mappings"].update(_source={"enabled": False}), "_source"),
    "routing": (lambda index: index["mappings"].update(_routing={"required": True}), "routing"),
    "dynamic": (lambda index: index["mappings"].pop("dynamic"), "not strict"),
    "runtime field": (lambda index: index["mappings"].update(runtime={"user_id": {"type": "long"}}), "runtime field"),
    "type": (lambda index: index["mappings"]["properties"].update(user_id={"type": "long"}), "long instead of keyword"),
    "options": (
        lambda index: index["mappings"]["properties"].update(user_id={"type": "keyword", "null_value": "x"}),
        "has other options"),
    "alias": (lambda index: index["aliases"].clear(), "does not have the alias"),
    "filtered alias": (lambda index: next(iter(index["aliases"].values())).update(filter={}), "has a filter"),
}  # fmt: skip


#: Indices and how each can change; only that of events has the field of two changes.
CHANGED = [
    (name, change)
    for name, change in product([INDEX, "advertisex-ledger-g1", "advertisex-rejects-g1"], CHANGES)
    if name == INDEX or change not in {"type", "options"}
]


@pytest.mark.parametrize(("name", "change"), some(CHANGED, 20))
def test_an_index_that_is_changed_during_a_commit_stops_it_before_the_ledger(
    cluster: Cluster, store: ElasticsearchStore, name: str, change: str
) -> None:
    alter, flaw = CHANGES[change]

    def meanwhile(ids: list[str]) -> Reply:
        alter(cluster.indices[name])
        return written(ids)

    cluster.bulk = [meanwhile]
    with pytest.raises(StoreError, match=flaw) as caught:
        store.commit(outcome("clicks", "a"))
    assert name in caught.value.what
    assert caught.value.hint
    assert cluster.ledger is None


def test_settings_that_hide_nothing_are_accepted(cluster: Cluster, store: ElasticsearchStore) -> None:
    store.commit(outcome("clicks", "a"))
    mapping = {"total_fields": {"limit": "2000"}, "ignore_malformed": "false", "coerce": "true"}
    cluster.indices[INDEX]["settings"]["index"] = {"mapping": mapping, "max_result_window": "20000"}
    assert store.commit(outcome("clicks", "b", start=1)).stored == 1


def test_an_erasure_does_not_search_an_index_that_was_changed(cluster: Cluster, store: ElasticsearchStore) -> None:
    store.commit(outcome("clicks", "a"))
    cluster.indices[INDEX]["settings"]["index"] = {"mapping": {"ignore_above": "5"}}
    removal = Removal("e", ["a"], pl.DataFrame(schema=STORED_REJECT_COLUMNS), {})
    with pytest.raises(StoreError, match=f"{INDEX} cannot be used: its setting index.mapping.ignore_above is 5"):
        store.remove(removal)


@pytest.mark.parametrize("change", some(sorted(set(CHANGES) - {"alias", "filtered alias"}), 5))
def test_an_index_of_another_tool_under_our_name_is_not_used_unless_it_is_as_ours(
    cluster: Cluster, store: ElasticsearchStore, change: str
) -> None:
    def other_tool() -> dict[str, Any]:
        mapping = {"dynamic": "strict", "properties": dict(event_mapping(FEEDS["clicks"]))}
        return {"aliases": {}, "settings": {"index": {}}, "mappings": mapping}

    alter, flaw = CHANGES[change]
    cluster.indices[INDEX] = other_tool()
    alter(cluster.indices[INDEX])
    for _ in range(2):
        with pytest.raises(StoreError, match=flaw) as caught:
            store.commit(outcome("clicks", "a"))
        assert "another tool created it" in caught.value.hint
    assert INDEX not in cluster.written
    assert cluster.ledger is None


@pytest.mark.parametrize("name", [INDEX, "advertisex-ledger-g1", "advertisex-rejects-g1", "advertisex-commits-g1"])
def test_an_index_that_is_deleted_during_a_commit_stops_it_and_is_not_created_again(
    cluster: Cluster, store: ElasticsearchStore, name: str
) -> None:
    def meanwhile(ids: list[str]) -> Reply:
        del cluster.indices[name]
        return written(ids)

    cluster.bulk = [meanwhile]
    for _ in range(2):
        with pytest.raises(StoreError, match=f"index {name} was deleted") as caught:
            store.commit(outcome("clicks", "a"))
        assert "restore it from a snapshot, or run `advertisex rebuild`" in caught.value.hint
    assert name not in cluster.indices
    assert cluster.ledger is None
    with pytest.raises(StoreError, match=f"index {name} was deleted"), opened(cluster) as other:
        other.commit(outcome("clicks", "a"))
    assert name not in cluster.indices


def test_an_index_that_is_deleted_and_created_again_by_another_tool_is_not_taken_for_ours(
    cluster: Cluster, store: ElasticsearchStore
) -> None:
    def meanwhile(ids: list[str]) -> Reply:
        del cluster.indices[INDEX]["mappings"]["_meta"]
        return written(ids)

    cluster.bulk = [meanwhile]
    with pytest.raises(StoreError, match=f"index {INDEX} was deleted and created again"):
        store.commit(outcome("clicks", "a"))
    with pytest.raises(StoreError, match=f"index {INDEX} was deleted and created again"):
        opened(cluster)
    assert cluster.ledger is None


@pytest.mark.parametrize("after", range(4))
def test_a_listed_index_that_never_existed_is_created_by_the_next_run(cluster: Cluster, after: int) -> None:
    """A crash at any request between listing an index and the first event: it cannot have held events."""
    left, done = after, False
    answer = cluster.answer_index

    def crash(method: str, path: str, body: bytes) -> Reply:
        nonlocal left, done
        if INDEX in path or INDEX.encode() in body:
            left -= 1
            if left < 0 and not done:
                done = True
                return 400, {"error": {"type": "crash", "reason": "the process ends here"}}
        return answer(method, path, body)

    with opened(cluster) as store:
        cluster.answer_index = crash  # type: ignore[method-assign]
        with pytest.raises(StoreError, match="ends here"):
            store.commit(outcome("clicks", "a"))
    assert INDEX not in cluster.written
    cluster.indices.pop(INDEX, None)
    with opened(cluster) as store:
        assert store.commit(outcome("clicks", "a")).stored == 1


@pytest.mark.parametrize("reply", [(200, b"<html>hello</html>"), (200, {"errors": True, "items": []}), (200, {})])
def test_a_response_that_is_not_from_elasticsearch_is_an_error(
    cluster: Cluster, store: ElasticsearchStore, reply: Reply
) -> None:
    cluster.bulk = [lambda ids: reply]
    with pytest.raises(StoreError, match="not Elasticsearch"):
        store.commit(outcome("clicks", "a", "b"))
    assert cluster.ledger is None


# -- login -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_login_is_an_error_at_once_with_a_hint(cluster: Cluster, status: int) -> None:
    cluster.everything = (status, {"error": {"type": "security_exception", "reason": "no"}})

    with pytest.raises(StoreError, match=str(status)) as caught:
        ElasticsearchStore(cluster.url.replace("://", f"://me:{ENCODED}@"))
    assert caught.value.hint
    assert len(cluster.seen) == 1


def test_a_password_that_is_rejected_during_a_commit_stops_it(cluster: Cluster, store: ElasticsearchStore) -> None:
    cluster.bulk = [lambda ids: (401, {})]
    with pytest.raises(StoreError, match="401"):
        store.commit(outcome("clicks", "a"))
    assert cluster.ledger is None


def test_user_and_password_and_api_key_are_sent(cluster: Cluster) -> None:
    ElasticsearchStore(cluster.url.replace("://", f"://me:{ENCODED}@")).close()
    assert cluster.seen[-1][2]["authorization"] == "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()

    with_key = ElasticsearchSettings(api_key=SecretStr("a2V5"))
    ElasticsearchStore(cluster.url.replace("://", f"://me:{ENCODED}@"), settings=with_key).close()
    assert cluster.seen[-1][2]["authorization"] == "ApiKey a2V5"


@pytest.mark.parametrize(
    "url",
    [
        "elasticsearch://me:{}@127.0.0.1:1",
        "elasticsearch://me:{}@127.0.0.1:nine",
        "elasticsearch://me:{}@",
        "elasticsearch+https://me:{}@127.0.0.1:1/?x=1",
        "elasticsearch+https://me:{}@no-such-host.invalid",
    ],
)
@pytest.mark.parametrize("password", [ENCODED, SECRET])
def test_no_error_reveals_the_password(url: str, password: str) -> None:
    settings = ElasticsearchSettings(api_key=SecretStr("a2V5"))
    with pytest.raises((StoreError, ConfigurationError)) as caught:
        ElasticsearchStore(url.format(password), settings=settings, retry=SOON)

    error: BaseException | None = caught.value
    assert caught.value.hint
    while error:
        for text in (str(error), repr(error)):
            assert "s3cret" not in text
            assert "a2V5" not in text
        error = None if error.__suppress_context__ else error.__cause__ or error.__context__


@pytest.mark.parametrize("port", ["99999", "65536", "0", "-1", "x"])
def test_an_invalid_port_is_a_configuration_error(port: str) -> None:
    with pytest.raises(ConfigurationError, match="invalid URL of the Elasticsearch store"):
        address_of(f"elasticsearch://127.0.0.1:{port}")


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "a b"])
def test_an_invalid_host_name_is_a_configuration_error(host: str) -> None:
    with pytest.raises(ConfigurationError, match="invalid URL of the Elasticsearch store") as caught:
        ElasticsearchStore(f"elasticsearch://{host}:9200", read_only=True, retry=SOON)

    assert "check the host name" in caught.value.hint


@pytest.mark.parametrize("url", ["h:9200?token=s3cret", "u:p@h/?api_key=s3cret", "h:9200/?"])
def test_parameters_in_the_address_are_rejected_with_what_to_do(url: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot have parameters") as caught:
        address_of(f"elasticsearch://{url}")

    assert "elasticsearch.api_key" in caught.value.hint
    assert "s3cret" not in str(caught.value)


def test_an_address_shows_no_password() -> None:
    address = address_of(f"elasticsearch+https://me:{ENCODED}@es.example.com/gateway/")

    assert (address.user, address.password, address.secure, address.port) == ("me", SECRET, True, 9200)
    assert str(address) == "elasticsearch+https://es.example.com:9200/gateway"
    assert "s3cret" not in repr(address)


def test_a_missing_ca_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ca_file"):
        ElasticsearchStore("elasticsearch+https://h", settings=ElasticsearchSettings(ca_file=tmp_path / "ca.pem"))


def test_tls_to_a_server_without_it_is_an_error_at_once(cluster: Cluster) -> None:
    with pytest.raises(StoreError, match="TLS connection failed") as caught:
        ElasticsearchStore(cluster.url.replace("://", "+https://"))
    assert "use elasticsearch://" in caught.value.hint


def test_opening_for_queries_does_not_wait_for_an_unreachable_cluster() -> None:
    with pytest.raises(StoreError, match="connection refused") as caught:
        ElasticsearchStore("elasticsearch://127.0.0.1:1", read_only=True, retry=SOON)
    assert caught.value.hint


def test_an_outcome_whose_only_event_is_rejected_is_committed(cluster: Cluster, store: ElasticsearchStore) -> None:
    cluster.bulk = [lambda ids: items(400)]
    assert store.commit(with_user(outcome("clicks", "a"), 0, "x" * 40_000)) == Counts(read=1, rejected=1)


@pytest.mark.parametrize("read_only", [True, False])
def test_an_unknown_path_is_named_with_a_hint(cluster: Cluster, read_only: bool) -> None:
    cluster.everything = (400, {"error": "no handler found for uri"})
    with pytest.raises(StoreError, match="400") as caught:
        ElasticsearchStore(f"{cluster.url}/foo", read_only=read_only)
    assert "remove /foo from the URL" in caught.value.hint
    assert len(cluster.seen) == 1  # it stops at the first error


def test_an_index_that_is_deleted_during_a_commit_is_named_with_a_hint(
    cluster: Cluster, store: ElasticsearchStore
) -> None:
    gone = {"type": "index_not_found_exception", "reason": "no such index [clicks_conversions_index-g1-2026-01]"}
    cluster.bulk = [lambda ids: items(409)]
    cluster.found = {"docs": [{"error": gone}]}
    with pytest.raises(StoreError, match=r"cannot look up stored events: .*no such index") as caught:
        store.commit(outcome("clicks", "a"))
    assert "restore it from a snapshot" in caught.value.hint
    assert cluster.ledger is None


@pytest.mark.parametrize(("number", "block"), [(6, "read_only"), (13, "read_only_allow_delete")])
def test_a_block_on_the_whole_cluster_is_named_with_the_request_that_removes_it(
    cluster: Cluster, store: ElasticsearchStore, number: int, block: str
) -> None:
    reason = f"blocked by: [FORBIDDEN/{number}/cluster read-only (api)];"
    cluster.bulk = [lambda ids: (403, {"error": {"type": "cluster_block_exception", "reason": reason}})]
    with pytest.raises(StoreError, match="cluster read-only") as caught:
        store.commit(outcome("clicks", "a"))
    null = f'{{"cluster.blocks.{block}": null}}'
    assert caught.value.hint == (
        f'remove the block: PUT /_cluster/settings {{"persistent": {null}, "transient": {null}}}'
    )


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("max_result_window", "Result window is too large, from + size must be less than or equal to: [100]"),
        ("max_terms_count", "failed to create query: The number of terms [3] used in the Terms Query request has"),
    ],
)
def test_a_setting_that_is_too_low_for_a_search_is_named_with_the_request_that_removes_it(
    cluster: Cluster, store: ElasticsearchStore, setting: str, reason: str
) -> None:
    cause = {"type": "illegal_argument_exception", "reason": reason}
    error = {"reason": "all shards failed", "root_cause": [cause], "failed_shards": [{"index": INDEX, "shard": 0}]}
    cluster.everything = (400, {"error": error | {"type": "search_phase_execution_exception"}})
    with pytest.raises(StoreError, match=f"the setting index.{setting} is too low") as caught:
        store.rejects(RejectQuery())
    assert caught.value.hint == f'remove it: PUT /{INDEX}/_settings {{"index.{setting}": null}}'


@pytest.mark.parametrize(
    ("stated", "what"),
    [
        ({"timed_out": True, "_shards": {"failed": 0}}, "the search timed out"),
        ({"timed_out": False, "_shards": {"total": 2, "failed": 1}}, "incomplete: 1 of its shards failed"),
    ],
)
def test_a_search_that_did_not_read_everything_is_an_error(
    cluster: Cluster, store: ElasticsearchStore, stated: dict[str, Any], what: str
) -> None:
    nothing = {"hits": {"total": {"value": 0}, "hits": []}, "aggregations": {"rows": {"buckets": []}}}
    cluster.everything = (200, {"id": "point", **nothing, **stated})
    every = RejectQuery()
    for search in (
        lambda: store.rejects(every),
        lambda: list(store.scan_rejects(every, ["reason"])),
        lambda: store.reject_counts(every),
        lambda: extent_of(store._connection, INDEX, None),
    ):
        with pytest.raises(StoreError, match=what) as caught:
            search()
        assert "run this again" in caught.value.hint


PRESSURE = (
    "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, all_bytes=0, "
    "coordinating_operation_bytes=20000, max_coordinating_bytes={limit}]"
)
BREAKER = (
    "[parent] Data too large, data for [<http_request>] would be [1/1b], which is larger than the limit of [{limit}/1b]"
)


@pytest.mark.parametrize("reason", [PRESSURE, BREAKER])
def test_a_reject_that_the_cluster_can_never_accept_is_an_error_with_a_hint_instead_of_a_retry(
    cluster: Cluster, store: ElasticsearchStore, reason: str
) -> None:
    def busy(limit: int) -> Reply:
        return 429, {"error": {"type": "es_rejected_execution_exception", "reason": reason.format(limit=limit)}}

    cluster.bulk = [lambda ids: busy(10_000_000), lambda ids: busy(10_000)]
    with pytest.raises(StoreError, match=r"cannot store a reject of [\d,]+ bytes with its whole message") as caught:
        store.commit(outcome("clicks", b"x" * 20_000))
    assert not cluster.bulk, "the first was sent again"
    assert "indexing_pressure.memory.limit" in caught.value.hint
    assert cluster.ledger is None
