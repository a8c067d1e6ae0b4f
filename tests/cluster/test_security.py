"""Kafka over SASL_SSL and Elasticsearch over https: it works, errors have hints, no secret is printed."""

import json
import os
import ssl
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from advertisex.errors import ConfigurationError
from advertisex.logs.open import open_log
from advertisex.settings.load import load_settings
from advertisex.settings.model import KafkaSettings
from advertisex.stores.open import open_store
from tests.cluster.certificates import certificate_for
from tests.cluster.traffic import POLICY
from tests.servers.elasticsearch import LocalElasticsearch
from tests.servers.kafka import LocalKafka
from tests.servers.tls import Tls
from tests.warm import program

EVENTS = 5_000
WRONG = "not-the-passw0rd"
API_KEY = "YWR2ZXJ0aXNleDpzZWNyZXQ="
#: Seconds in which a command that cannot succeed has to end: 10 of retries, and a busy machine.
SOON = 60


@dataclass(frozen=True)
class Ended:
    """Result of a command."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


@dataclass(frozen=True)
class Secured:
    """The two servers, and the command line with their settings."""

    kafka: LocalKafka
    elasticsearch: LocalElasticsearch
    tls: Tls
    other_tls: Tls
    folder: Path

    def settings(
        self,
        *,
        log: str = "",
        store: str = "",
        client: Mapping[str, str | None] = MappingProxyType({}),
        ca_file: Path | None = Path("authority.pem"),
    ) -> str:
        """Return the correct settings, with overrides; None removes a setting."""
        lines = [f'log = "{log or self.kafka.url}"', f'store = "{store or self.elasticsearch.url}"', *POLICY]
        lines += ["[elasticsearch]", f'ca_file = "{self.tls.authority.parent / ca_file}"' if ca_file else ""]
        properties = {**self.kafka.client, **client}
        lines += ["[kafka.client]", *(f'"{name}" = "{value}"' for name, value in properties.items() if value)]
        return "\n".join(lines)

    def run(self, settings: str, *arguments: object) -> Ended:
        """Run a command with these settings; check that it prints no secret."""
        folder = self.folder / f"run-{threading.get_ident()}"
        folder.mkdir(exist_ok=True)
        (folder / "advertisex.toml").write_text(settings, encoding="utf-8")
        ran = subprocess.run(
            [program(), *map(str, arguments)],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not name.startswith("ADVERTISEX_")},
            capture_output=True,
            text=True,
            timeout=SOON,
            check=False,
        )
        for secret in (self.kafka.password, self.elasticsearch.password, WRONG, API_KEY):
            assert secret not in ran.stdout + ran.stderr
        return Ended(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return certificate_for("127.0.0.1", tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secured(tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    other_tls = certificate_for("127.0.0.1", tmp_path_factory.mktemp("other"))
    kafka, elasticsearch = LocalKafka(tls=tls), LocalElasticsearch(security=True, tls=tls)
    try:
        for server in (kafka, elasticsearch):
            server.launch()
        for server in (kafka, elasticsearch):
            server.wait()
        yield Secured(kafka, elasticsearch, tls, other_tls, tmp_path_factory.mktemp("secured"))
    finally:
        kafka.close()
        elasticsearch.close()


def test_the_whole_pipeline_matches_the_truth_and_prints_no_secret(secured: Secured) -> None:
    settings = secured.settings()
    truth = secured.run(settings, "simulate", "--events", EVENTS, "--out", "sources", "--json").document["feeds"]
    for feed, file in (("impressions", "impressions.ndjson"), ("clicks", "clicks.csv"), ("bids", "bids.avro")):
        secured.run(settings, "ingest", feed, f"sources/{file}", "--json", "--debug")
    processed = secured.run(settings, "process", "--json", "--debug").document
    ledger = secured.run(settings, "ledger", "--json", "--debug").document
    summary = secured.run(settings, "analyze", "summary", "--json", "--debug").document
    doctor = secured.run(settings, "doctor", "--debug")

    assert processed["total"] == ledger["total"]
    assert processed["rows"] == ledger["rows"]
    assert ledger["balanced"]
    topics = {"impressions": "ad_impressions", "clicks": "clicks_conversions", "bids": "avro_data_topic"}
    for feed, true in truth.items():
        rows = [row for row in ledger["rows"] if row["topic"] == topics[feed]]
        found = {count: sum(row[count] for row in rows) for count in ("read", "stored", "duplicate")}
        assert found == {count: true[count] for count in found}
        for kind in ("filtered", "rejected"):
            assert sum(row[kind] for row in rows) == sum(true[kind].values())
    assert summary["events"] == sum(true["stored"] for true in truth.values())
    assert {feed: summary["counts"][feed] for feed in ("impressions", "bids")} == {
        feed: truth[feed]["stored"] for feed in ("impressions", "bids")
    }
    assert doctor.code == 0, doctor.out
    assert "bad" not in doctor.out
    assert f"elasticsearch+https://127.0.0.1:{secured.elasticsearch.port}: green" in doctor.out


#: A mistake: the settings, the exit code, and what the error line must contain.
Mistake = tuple[Callable[[Secured], str], int, list[str]]
KAFKA: dict[str, Mistake] = {
    "no TLS to TLS": (lambda s: s.settings(client=dict.fromkeys(s.kafka.client)), 1,
        ["closed the connection", "check security.protocol"]),
    "wrong password": (lambda s: s.settings(client={"sasl.password": WRONG}), 1,
        ["invalid credentials", "SCRAM-SHA-512", "check sasl.*"]),
    "wrong mechanism": (lambda s: s.settings(client={"sasl.mechanism": "PLAIN"}), 1,
        ["Unsupported SASL mechanism", "set sasl.mechanism to"]),
    "unknown authority": (lambda s: s.settings(client={"ssl.ca.location": str(s.other_tls.authority)}), 1,
        ["certificate verify failed", "set ssl.ca.location"]),
    "absent authority": (lambda s: s.settings(client={"ssl.ca.location": "/nowhere/ca.pem"}), 2,
        ["kafka.client: ssl.ca.location: file not found (/nowhere/ca.pem, from advertisex.toml:"]),
    "invalid authority": (lambda s: s.settings(client={"ssl.ca.location": str(s.tls.key)}), 2,
        ["kafka.client", "ssl.ca.location failed", "no certificate"]),
    "host not in certificate": (lambda s: s.settings(log=f"kafka://localhost:{s.kafka.port}"), 1,
        ["certificate verify failed", "use broker host names that match their certificates"]),
    "no login": (lambda s: s.settings(client={"security.protocol": "SSL"}), 1,
        ["closed the connection", "check security.protocol and sasl.*"]),
    "misspelt property": (lambda s: s.settings(client={"sasl.passwd": WRONG}), 2,
        ["kafka.client", "sasl.passwd", "librdkafka"]),
}  # fmt: skip
STORE: dict[str, Mistake] = {
    "no TLS to TLS": (lambda s: s.settings(store=s.elasticsearch.url.replace("+https", "")), 1,
        ["connection closed unexpectedly", "use elasticsearch+https://"]),
    "wrong password": (lambda s: s.settings(store=s.elasticsearch.url.replace(s.elasticsearch.password, WRONG)), 1,
        ["401", "check the user and password"]),
    "unknown authority": (lambda s: s.settings(ca_file=s.other_tls.authority), 1,
        ["TLS connection failed", "to the PEM file of the authority", "elasticsearch.ca_file"]),
    "no authority": (lambda s: s.settings(ca_file=None), 1,
        ["TLS connection failed", "to the PEM file of the authority", "elasticsearch.ca_file"]),
    "absent authority": (lambda s: s.settings(ca_file=Path("/nowhere/ca.pem")), 2,
        ["elasticsearch.ca_file: the file does not exist", "/nowhere/ca.pem"]),
    "invalid authority": (lambda s: s.settings(ca_file=s.tls.key), 2,
        ["elasticsearch.ca_file: the file contains no certificate", "server.key"]),
    "host not in certificate": (lambda s: s.settings(store=s.elasticsearch.url.replace("127.0.0.1", "localhost")), 1,
        ["not valid for this host name", "use the host name of the certificate in --store"]),
}  # fmt: skip
LOUD = ("wrong password", "misspelt property")


def test_a_mistake_is_reported_in_one_line_with_a_hint(
    secured: Secured, kafka: str, elasticsearch: str, subtests: pytest.Subtests
) -> None:
    mistakes: dict[str, Mistake] = {
        "Kafka: TLS to no TLS": (lambda s: s.settings(log=kafka), 1, ["SSL", "check that Kafka is running there, and"]),
        "Elasticsearch: TLS to no TLS": (
            lambda s: s.settings(store=elasticsearch.replace(":", "+https:", 1)), 1, ["does not use TLS: use elasticsearch://"]
        ),
        **{f"Kafka: {name}": mistake for name, mistake in KAFKA.items()},
        **{f"Elasticsearch: {name}": mistake for name, mistake in STORE.items()},
    }  # fmt: skip
    with ThreadPoolExecutor(8) as pool:  # they mostly wait
        quiet, loud = {}, {}
        for name, (made, _, _) in mistakes.items():
            command = "process" if name.startswith("Kafka") else "ledger"
            quiet[name] = pool.submit(secured.run, made(secured), command)
            if name.endswith(LOUD):
                loud[name] = pool.submit(secured.run, made(secured), command, "--debug")
        for name, (_, code, parts) in mistakes.items():
            with subtests.test(name):
                ended = quiet[name].result()
                assert (ended.code, ended.out, ended.err.count("\n")) == (code, "", 1), ended.err
                assert ended.err.startswith("error: ")
                assert [text for text in parts if text not in ended.err] == [], ended.err
                if name in loud:
                    assert "Traceback" in loud[name].result().err
                    assert loud[name].result().code == code


def test_doctor_reports_both_wrong_logins_with_hints(secured: Secured) -> None:
    store = secured.elasticsearch.url.replace(secured.elasticsearch.password, WRONG)
    ended = secured.run(secured.settings(client={"sasl.password": WRONG}, store=store), "doctor", "--json", "--debug")

    assert ended.code == 1
    bad = {finding["what"]: finding["hint"] for finding in json.loads(ended.out)["findings"] if not finding["good"]}
    assert sorted(bad) == ["log", "store"]
    assert "check sasl.*" in bad["log"]
    assert "check the user and password" in bad["store"]


# -- the API key: this distribution cannot create one, so only the request is checked --------------------------------


@contextmanager
def recorder(tls: Tls) -> Iterator[tuple[int, list[str | None]]]:
    """An https server that rejects the first request of each command; yields its port and the logins sent."""
    logins: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            logins.append(self.headers["Authorization"])
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD  # noqa: N815 - named by http.server

        def log_message(self, *arguments: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, logins
        server.shutdown()


def test_an_api_key_is_sent_over_tls_instead_of_the_password_and_never_printed(tls: Tls, tmp_path: Path) -> None:
    with recorder(tls) as (port, logins):
        (tmp_path / "advertisex.toml").write_text(
            f'store = "elasticsearch+https://me:{WRONG}@127.0.0.1:{port}"\n'
            f'[elasticsearch]\napi_key = "{API_KEY}"\nca_file = "authority.pem"\n'
        )
        (tmp_path / "authority.pem").write_bytes(tls.authority.read_bytes())
        command = [sys.executable, "-m", "advertisex", "ledger", "--config", tmp_path / "advertisex.toml", "--debug"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=SOON, check=False)

    assert logins == [f"ApiKey {API_KEY}"]
    assert ran.returncode == 1
    assert "Traceback" in ran.stderr
    assert "401" in ran.stderr.splitlines()[-1]
    assert "elasticsearch.api_key" in ran.stderr.splitlines()[-1]
    assert API_KEY not in ran.stdout + ran.stderr
    assert WRONG not in ran.stdout + ran.stderr


# -- secrets in the wrong place --------------------------------------------------------------------------------------


def from_file(text: str) -> Callable[[Path, pytest.MonkeyPatch], object]:
    def load(folder: Path, patch: pytest.MonkeyPatch) -> object:
        (folder / "advertisex.toml").write_text(text)
        return load_settings(folder / "advertisex.toml", {}, environment=False)

    return load


def from_environment(folder: Path, patch: pytest.MonkeyPatch) -> object:
    patch.setenv("ADVERTISEX_KAFKA__CLIENT", f'{{"sasl.password": "{WRONG}"')
    return load_settings(None, {})


@pytest.mark.parametrize(
    "misplace",
    [
        pytest.param(from_file(f'[elasticsearch]\napikey = "{WRONG}"'), id="misspelt-setting"),
        pytest.param(from_file(f'[kafka.client]\n"sasl.password" = ["{WRONG}"]'), id="list"),
        pytest.param(from_file(f'[kafka]\nclient = "{WRONG}"'), id="no-table"),
        pytest.param(from_file(f'[elasticsearch]\napi_key = "{WRONG}'), id="open-quote"),
        pytest.param(from_environment, id="json-cut-off"),
        pytest.param(lambda *_: open_store(f"elasticsearch:me:{WRONG}@h:9200", read_only=True), id="store-url"),
        pytest.param(lambda *_: open_store(f"elasticsearch://me:1/{WRONG}@h", read_only=True), id="slash"),
        pytest.param(lambda *_: open_log(f"kafka:me:{WRONG}@h:9092"), id="log-url"),
        pytest.param(lambda *_: open_log(f"kafka://me:{WRONG}@h:9092"), id="kafka-url"),
        pytest.param(
            lambda *_: open_log("kafka://h:1", kafka=KafkaSettings(client={"security.protocol": WRONG})), id="value"
        ),
    ],
)
def test_a_misplaced_secret_is_not_printed_even_in_a_traceback(
    misplace: Callable[[Path, pytest.MonkeyPatch], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        misplace(tmp_path, monkeypatch)

    assert caught.value.hint
    assert WRONG not in "".join(traceback.format_exception(caught.value))
