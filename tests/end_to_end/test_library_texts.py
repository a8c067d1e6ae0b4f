"""No text of a library's exception is shown: every exception of every library is raised with a secret in it."""

import dataclasses
import http.client as httplib
import inspect
import shutil
import sqlite3
import ssl
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import apprise
import duckdb
import elastic_transport
import fastavro
import httpx
import prometheus_client
import pytest
from confluent_kafka import KafkaError, KafkaException
from elastic_transport import Urllib3HttpNode
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError

from advertisex.cli.options import settings_of
from advertisex.codecs import avro_datum
from advertisex.codecs.avro_framing import CONFLUENT_MARKER
from advertisex.codecs.json_decode import reason_text
from advertisex.errors import AdvertiseXError
from advertisex.feeds import FEEDS
from advertisex.ingestion.api import client
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.objects.failures import failure
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.source_status import load_statuses
from advertisex.logs.kafka.client import Cluster
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.masking import masked
from advertisex.monitoring.attempts import NotSent
from advertisex.monitoring.channels import Channel
from advertisex.monitoring.notices import Notice
from advertisex.processing.configured import processing_of
from advertisex.processing.decode import decode
from advertisex.processing.runner import process_log
from advertisex.reasons import reason_of
from advertisex.settings.load import load_settings
from advertisex.settings.model import KafkaSettings
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.elasticsearch.retry import RetryPolicy
from advertisex.stores.elasticsearch.store import ElasticsearchStore
from advertisex.testing import memory_log
from tests.end_to_end.conftest import Cli

CANARY = "c4n4ry-of-a-secret"
#: What a library could say: the secret as it is, and in what our adapters look for.
TEXTS = (CANARY, f"[SSL: {CANARY}] {CANARY} (_ssl.c:1006)", f"<Code>X</Code> {CANARY}\n{CANARY}")
KAFKA_CODES = sorted({
    value for value in vars(KafkaError).values() if isinstance(value, int) and not isinstance(value, bool)
})  # fmt: skip
SOON = RetryPolicy(request=0.01, query=0.001, first_pause=0.001, longest_pause=0.001, grace=0.01)

Class = type[BaseException]


def classes_in(*modules: str) -> list[Class]:
    found = {
        one
        for name in modules
        for one in vars(import_module(name)).values()
        if inspect.isclass(one) and issubclass(one, BaseException) and not issubclass(one, Warning)
        if one.__name__ != "Warning"  # of the DB-API, which its modules do not raise
    }
    return sorted(found, key=lambda one: (one.__module__, one.__qualname__))


HTTPX = classes_in("httpx")
ELASTICSEARCH = [elastic_transport.ConnectionError, elastic_transport.ConnectionTimeout, elastic_transport.TlsError]
URLLIB3 = [
    one
    for one in classes_in("urllib3.exceptions")
    if issubclass(one, HTTPError) and not issubclass(one, httplib.IncompleteRead)  # which has two numbers
]
DUCKDB = classes_in("duckdb")
SQLITE = classes_in("sqlite3")
#: What fastavro's own modules define, and what its readers raise for damaged data.
FASTAVRO = [
    *classes_in("fastavro._schema_common", "fastavro._read_common", "fastavro._validate_common"),
    ValueError, EOFError, struct.error, KeyError, TypeError, IndexError, StopIteration, OverflowError, zlib.error,
    MemoryError, AttributeError, NotImplementedError, AssertionError,
]  # fmt: skip
OTHERS = [*classes_in("polars.exceptions", "msgspec", "requests.exceptions"), *classes_in("builtins")]
ENDS = (SystemExit, KeyboardInterrupt, GeneratorExit)
EVERY = (*HTTPX, *ELASTICSEARCH, *URLLIB3, *DUCKDB, *SQLITE, *FASTAVRO, *OTHERS)
ALL = [one for one in EVERY if not issubclass(one, ENDS)]


def made(kind: Class, text: str = CANARY) -> BaseException:
    """An exception with a text in it, whatever its constructor asks for."""
    meta = elastic_transport.ApiResponseMeta(
        400, "1.1", elastic_transport.HttpHeaders(), 0.1, elastic_transport.NodeConfig("http", "h", 1)
    )
    request = httpx.Request("GET", "http://h/", params={"x": text})
    ways: tuple[Callable[[Any], BaseException], ...] = (
        lambda new: new(text),
        lambda new: new(text, request=request),
        lambda new: new(text, meta, {"error": {"reason": text, "type": text}}),
        lambda new: new(text, errors=(OSError(text),)),
        lambda new: new("utf-8", text.encode(), 0, 1, text),
        lambda new: new(text, [ValueError(text)]),
        lambda new: new(text, text),
        lambda new: new(text, text, text),
    )
    for way in ways:
        with suppress(Exception):
            error = way(kind)
            if _holds(error, text):
                return error
    error = kind.__new__(kind)
    error.args = (text,)
    return error


def _holds(error: BaseException, text: str) -> bool:
    return any(text in str(part) for part in error.args) or text in str(error)


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".toml")


@pytest.fixture
def no_canary(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[[object], None]]:
    """Check that a failure, and what was printed, logged, stored and measured, has no secret in it."""

    def check(shown: object) -> None:
        assert CANARY not in str(shown)

    yield check
    printed = capfd.readouterr()
    assert CANARY not in printed.out + printed.err + caplog.text
    assert CANARY.encode() not in written(tmp_path)
    assert CANARY.encode() not in prometheus_client.generate_latest()


def test_the_enumeration_finds_the_classes() -> None:
    assert {len(found) > 3 for found in (HTTPX, URLLIB3, DUCKDB, SQLITE, FASTAVRO)} == {True}
    assert len(KAFKA_CODES) > 100
    assert all(_holds(error, CANARY) for error in map(made, ALL))


# -- at the seam of each adapter --------------------------------------------------------------------------------------


def failed(call: Callable[[], object]) -> AdvertiseXError:
    """The error of ours with which a call fails; the library's must not pass."""
    with pytest.raises(AdvertiseXError) as caught:
        call()
    return caught.value


def test_httpx(no_canary: Callable[[object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, context = IngestOptions(api=ApiOptions(attempts=1)), ssl.create_default_context()
    monkeypatch.setattr(client, "_authorities", lambda file: context)  # loading them is slow
    with SqliteLog(tmp_path / "log.db") as log:

        def read() -> None:
            raise ingest("impressions", "http://127.0.0.1:1/x", log, options).failures[0]

        for error in map(made, HTTPX):
            monkeypatch.setattr(httpx.Client, "send", raising(error))
            no_canary(failed(read))
        for status in load_statuses(log):
            no_canary(status)


@pytest.mark.parametrize("text", TEXTS)
def test_kafka(text: str, no_canary: Callable[[object], None]) -> None:
    cluster = Cluster.of("kafka://h:1", KafkaSettings(client={"debug": "x"}))
    for code in KAFKA_CODES:
        error = KafkaException(KafkaError(code, text))
        no_canary(cluster.failure("cannot append", error, where="t"))
        with pytest.raises(AdvertiseXError) as caught:
            cluster.client(raising(error), lambda error: None, {}, {})  # type: ignore[arg-type]
        no_canary(caught.value)
    no_canary(cluster.failure("cannot append", KafkaException(text)))
    no_canary(cluster.failure("cannot append", ValueError(text)))


@pytest.mark.parametrize("text", TEXTS)
def test_elasticsearch(text: str, no_canary: Callable[[object], None], monkeypatch: pytest.MonkeyPatch) -> None:
    seams = [(Urllib3HttpNode, "perform_request", kind) for kind in ELASTICSEARCH]
    seams += [(HTTPConnectionPool, "urlopen", kind) for kind in URLLIB3]
    for owner, name, kind in seams:
        monkeypatch.undo()
        monkeypatch.setattr(owner, name, raising(made(kind, text)))
        no_canary(failed(lambda: ElasticsearchStore("elasticsearch://h:1", read_only=True, retry=SOON)))


def test_duckdb(no_canary: Callable[[object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in map(made, DUCKDB):
        monkeypatch.setattr(duckdb, "connect", raising(error))
        no_canary(failed(lambda: DuckdbStore(tmp_path / "store.duckdb")))


def test_sqlite(no_canary: Callable[[object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in map(made, (*SQLITE, OSError, PermissionError)):
        monkeypatch.setattr(sqlite3, "connect", raising(error))
        no_canary(failed(lambda: SqliteLog(tmp_path / "log.db")))


class Fails:
    """A module of fastavro whose readers fail."""

    def __init__(self, error: BaseException, schema: Any) -> None:
        self.reader = self.schemaless_reader = raising(error)


def test_fastavro(no_canary: Callable[[object], None], monkeypatch: pytest.MonkeyPatch) -> None:
    schema: Any = {"type": "record", "name": "r", "fields": [{"name": "user_id", "type": "string"}]}
    container = BytesIO()
    fastavro.writer(container, fastavro.parse_schema(schema), [{"user_id": "u"}])
    registered = dataclasses.replace(FEEDS["bids"], confluent_schemas=((7, schema),))
    for kind in FASTAVRO:
        monkeypatch.setattr(avro_datum, "reading_module", partial(Fails, made(kind)))
        _, rejects = decode([CONFLUENT_MARKER + (7).to_bytes(4, "big") + b"\x02u"], registered)
        assert rejects["reason"].to_list() == ["undecodable"]
        no_canary(rejects.rows())
        with memory_log() as log:
            stream = BytesIO(container.getvalue())
            published = ingest("bids", "-", log, IngestOptions(format="avro"), stdin=stream)
            no_canary((published.failures, log.read("avro_data_topic", 0, 0, 9)))


def test_json_and_other_decoders(no_canary: Callable[[object], None]) -> None:
    for kind in (*classes_in("msgspec"), ValueError, EOFError, RecursionError):
        no_canary(reason_text(made(kind)))  # type: ignore[arg-type]
    for kind in ALL:
        no_canary(reason_of(made(kind)))


def test_object_stores(no_canary: Callable[[object], None]) -> None:
    pytest.importorskip("obstore")
    for kind in classes_in("obstore.exceptions"):
        for text in TEXTS:
            no_canary(failure(made(kind, text), "s3://bucket/key", "s3"))  # type: ignore[arg-type]


def test_apprise(no_canary: Callable[[object], None]) -> None:
    class Server:
        def notify(self, **_: Any) -> bool:
            if isinstance(error, str):
                apprise.logger.logger.warning("%s", error)
                return False
            raise error

    channel: Channel[None] = Channel("json://h", Server())
    texts = (CANARY, f"Failed to send to {CANARY}: error=404.", f"A Connection error occurred sending to {CANARY}")
    for error in (*map(made, OTHERS), *texts):
        if isinstance(error, (str, Exception)):
            with pytest.raises(NotSent) as caught:
                channel.attempt(Notice("title", "body"))(channel.deadline)
            no_canary(caught.value)


# -- through whole commands -------------------------------------------------------------------------------------------


def test_an_internal_error_shows_class_and_place(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever is raised, wherever; `--debug` shows its text without the secrets of the settings."""
    (tmp_path / "advertisex.toml").write_text(f'[privacy]\npseudonym_key = "{CANARY}"\n')

    def fail(error: BaseException) -> None:
        settings_of(None)
        raise error

    for number, error in enumerate(map(made, ALL)):
        if isinstance(error, OSError) and error.errno is not None:
            continue
        monkeypatch.setattr("advertisex.cli.commands.run_command", partial(fail, error))
        for debug in ([], ["--debug"])[: 1 + (number % 20 == 0)]:
            ended = cli("ledger", *debug)
            assert ended.code == 1
            assert CANARY not in ended.out + ended.err
            assert f"internal error: {type(error).__name__} at advertisex.cli.main:" in ended.err
            assert ("Traceback" in ended.err) == bool(debug)


COMMANDS = [
    ("httpx", ["ingest", "impressions", "http://127.0.0.1:1/x", "--attempts", "1"]),
    ("httpx", ["preview", "impressions", "http://127.0.0.1:1/x"]),
    ("kafka", ["doctor", "--log", "kafka://127.0.0.1:1"]),
    ("kafka", ["process", "--log", "kafka://127.0.0.1:1"]),
    ("elasticsearch", ["doctor", "--store", "elasticsearch://127.0.0.1:1"]),
    ("elasticsearch", ["analyze", "summary", "--store", "elasticsearch://127.0.0.1:1"]),
    ("duckdb", ["process"]),
    ("duckdb", ["analyze", "summary"]),
    ("duckdb", ["doctor"]),
    ("sqlite", ["ingest", "impressions", "a.json"]),
    ("sqlite", ["sources"]),
    ("fastavro", ["ingest", "bids", "b.avro"]),
    ("apprise", ["alerts", "test"]),
]


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two files, the first of which is processed."""
    folder = tmp_path_factory.mktemp("processed")
    (folder / "a.json").write_text(
        '{"user_id": "u", "timestamp": "2026-01-05 09:00:00", "creative_id": "c", "website": "w.com"}\n'
    )
    with (folder / "b.avro").open("wb") as file:
        fastavro.writer(file, {"type": "array", "items": "int"}, [])
    with (
        SqliteLog(folder / ".advertisex" / "log.db") as log,
        DuckdbStore(folder / ".advertisex" / "store.duckdb") as store,
    ):
        assert ingest("impressions", str(folder / "a.json"), log).messages == 1
        assert process_log(log, store, processing_of(load_settings(environment=False))).stored == 1
    return folder


@pytest.mark.parametrize(("library", "command"), COMMANDS, ids=lambda part: part if isinstance(part, str) else part[0])
@pytest.mark.parametrize("debug", [False, True])
def test_commands(
    library: str,
    command: list[str],
    debug: bool,
    processed: Path,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    shutil.copytree(processed, tmp_path, dirs_exist_ok=True)
    secret = f'[privacy]\npseudonym_key = "{CANARY}"\n' if debug else ""
    (tmp_path / "advertisex.toml").write_text(f'{secret}[alerts]\nchannels = ["json://127.0.0.1:1"]\n')
    tls = elastic_transport.TlsError(CANARY, errors=(OSError(f"CERTIFICATE_VERIFY_FAILED {CANARY}"),))
    match library:
        case "httpx":
            monkeypatch.setattr(
                httpx.Client, "send", raising(httpx.LocalProtocolError(f"Illegal header value b'{CANARY}'"))
            )
        case "kafka":
            fake = type("Admin", (), {"__init__": raising(KafkaException(KafkaError(KafkaError._SSL, CANARY)))})
            monkeypatch.setattr("advertisex.logs.kafka.topics.AdminClient", fake)
        case "elasticsearch":
            monkeypatch.setattr(Urllib3HttpNode, "perform_request", raising(tls))
        case "duckdb":
            monkeypatch.setattr(duckdb, "connect", raising(duckdb.IOException(CANARY)))
        case "sqlite":
            monkeypatch.setattr(sqlite3, "connect", raising(sqlite3.OperationalError(CANARY)))
        case "fastavro":
            monkeypatch.setattr("advertisex.ingestion.avro.reader.unusable", raising(ValueError(CANARY)))
        case "apprise":
            monkeypatch.setattr(apprise.plugins.NotifyBase, "notify", raising(TypeError(CANARY)))
    ended = cli(*command, *(["--debug"] if debug else []))
    assert ended.code in (1, 2)
    assert "error" in ended.err or "bad" in ended.out
    assert CANARY not in ended.out + ended.err
    assert CANARY.encode() not in written(tmp_path)
    assert debug or "Traceback" not in ended.err


# -- what is let through, masked --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "https://user:S3CR3Tvalue@host/x", "?api_key=S3CR3Tvalue&page=2", "token=S3CR3Tvalue", "X-Api-Key: S3CR3Tvalue",
        '{"client_secret": "S3CR3Tvalue", "a": 1}', "Authorization: Bearer S3CR3Tvalue", "Bearer S3CR3Tvalue",
        "see https://host/x?api_key=S3CR3Tvalue", "unexpected argument: https://host/x?token=S3CR3Tvalue",
        "code=S3CR3Tvalue", "?sessionId=S3CR3Tvalue", "eyJS3CR3Tvalue.S3CR3Tvalue.S3CR3Tvalue",
        "-----BEGIN RSA PRIVATE KEY-----\nS3CR3Tvalue\n-----END RSA PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_what_looks_like_a_credential_is_masked(text: str) -> None:
    assert "S3CR3T" not in masked(text)
    assert "***" in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "failed to parse field [clicks] of type [long] in document with id 'a'. Preview of field's value: 'x'",
        "Bearer authentication is required", "parameter start_date: expected YYYY-MM-DD", "country_code=DE",
    ],
)  # fmt: skip
def test_what_a_server_says_is_kept(text: str) -> None:
    assert masked(text) == text
