"""What users read when an object store fails: what, where and a hint, never the client's text."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from advertisex.errors import ConfigurationError, SourceError, SourceUnavailable
from advertisex.feeds import FEEDS
from advertisex.ingestion.ingest import ingest
from advertisex.ingestion.objects.environment import check_environment
from advertisex.ingestion.objects.failures import failure
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.logs.sqlite.log import SqliteLog
from tests.ingestion.buckets import S3Bucket, rows
from tests.ingestion.conftest import Ingested

Ingest = Callable[..., Ingested]
ONCE = ApiOptions(attempts=1, retry_wait=0.01, timeout=0.5)


class FailingServer:
    """A server that rejects every request, or answers none."""

    def __init__(self) -> None:
        self.status, self.code, self.asked, self.failures = 500, "", 0, 1_000_000
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                if server.status == 0:
                    server.released.wait(30)
                    return
                body = f"<Error><Code>{server.code}</Code><Message>hidden</Message></Error>".encode()
                if server.asked > server.failures:
                    server.status, body = 200, b"<ListBucketResult><Name>b</Name></ListBucketResult>"
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def failing(bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[FailingServer]:
    server = FailingServer()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    yield server
    server.close()


def failed(found: Ingested) -> SourceError:
    (error,) = found.failures
    shown = str(error)
    assert found.messages == []
    assert error.where
    assert error.hint
    assert "\n" not in shown
    assert not any(word in shown for word in ("hidden", "reqwest", "Generic", "Debug", "secret"))
    return error


@pytest.mark.parametrize(
    ("status", "code", "what", "error"),
    [
        (301, "", "the bucket is in another region", SourceError),
        (400, "AuthorizationHeaderMalformed", "the bucket is in another region", SourceError),
        (400, "ExpiredToken", "the credentials are not valid, or have expired", SourceError),
        (401, "", "the credentials are not valid, or have expired", SourceError),
        (403, "InvalidAccessKeyId", "the credentials are not valid, or have expired", SourceError),
        (403, "SignatureDoesNotMatch", "the credentials are not valid, or have expired", SourceError),
        (403, "AccessDenied", "access denied", SourceError),
        (404, "NoSuchBucket", "no such bucket", SourceError),
        (429, "TooManyRequests", "the server limits the rate of requests", SourceUnavailable),
        (503, "SlowDown", "the server limits the rate of requests", SourceUnavailable),
        (500, "InternalError", "the server failed", SourceUnavailable),
        (418, "Teapot", "the server rejected the request", SourceError),
    ],
)
def test_answers_of_the_server(
    failing: FailingServer, ingested: Ingest, status: int, code: str, what: str, error: type[SourceError]
) -> None:
    failing.status, failing.code = status, code
    found = failed(ingested("clicks", "s3://bucket/a/*.csv", api=ONCE))
    assert (found.what, found.where) == (
        f"{what} (status {status}{', ' + code if code else ''})",
        "s3://bucket/a",
    )
    assert type(found) is error


def test_a_server_that_does_not_answer(failing: FailingServer, ingested: Ingest) -> None:
    failing.status = 0
    assert failed(ingested("clicks", "s3://bucket/", api=ONCE)).what == "the request timed out"


def test_failures_that_may_pass_are_retried_and_reported_one_by_one(
    failing: FailingServer, ingested: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing.status, failing.failures = 503, 2
    waits: list[float] = []
    monkeypatch.setattr("advertisex.ingestion.objects.bucket.time.sleep", waits.append)
    with capture_logs() as lines:
        found = failed(ingested("clicks", "s3://bucket/*", api=ApiOptions(attempts=5, retry_wait=4)))
    assert (found.what, failing.asked) == ("no such object", 3)
    assert [line["attempt"] for line in lines] == ["1 of 5 failed", "2 of 5 failed"]
    assert [line["wait_seconds"] for line in lines] == [round(wait, 1) for wait in waits]
    assert 4 <= waits[0] <= 6
    assert 8 <= waits[1] <= 10


def test_the_attempts_are_those_of_the_options(
    failing: FailingServer, ingested: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advertisex.ingestion.objects.bucket.time.sleep", lambda _: None)
    assert failed(ingested("clicks", "s3://bucket/*", api=ApiOptions(attempts=3))).what.startswith("the server failed")
    assert failing.asked == 3


@pytest.mark.parametrize(
    ("endpoint", "what"),
    [
        ("http://127.0.0.1:1", "could not connect: connection refused"),
        ("https://nowhere.invalid", "could not connect: unknown host name"),
    ],
)
def test_servers_that_cannot_be_reached(
    bucket: S3Bucket, ingested: Ingest, monkeypatch: pytest.MonkeyPatch, endpoint: str, what: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert failed(ingested("clicks", "s3://bucket/", api=ONCE)).what == what


def test_an_endpoint_without_encryption_elsewhere_is_an_error(
    bucket: S3Bucket, log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://nowhere.invalid")
    with pytest.raises(ConfigurationError, match=r"not encrypted .*AWS_ALLOW_HTTP=true"):
        ingest("clicks", "s3://bucket/", log, IngestOptions(api=ONCE))


def test_an_endpoint_without_encryption_can_be_allowed(
    bucket: S3Bucket, ingested: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://nowhere.invalid")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert failed(ingested("clicks", "s3://bucket/", api=ONCE)).what == "could not connect: unknown host name"


@pytest.mark.parametrize(
    ("pattern", "where"), [("none.csv", "none.csv"), ("none/", "none/"), ("*.csv", "*.csv"), ("", "")]
)
def test_nothing_there(bucket: S3Bucket, ingested: Ingest, pattern: str, where: str) -> None:
    found = failed(ingested("clicks", bucket.url(pattern), api=ONCE))
    assert (found.what, found.where) == ("no such object", bucket.url(where))


def test_no_such_bucket(bucket: S3Bucket, ingested: Ingest) -> None:
    found = failed(ingested("clicks", "s3://no-such-bucket/", api=ONCE))
    assert found.what == "no such bucket (status 404, NoSuchBucket)"


def test_a_key_with_an_empty_part_fails_the_listing(bucket: S3Bucket, ingested: Ingest) -> None:
    bucket.put("a//b.csv", rows(1))
    bucket.put("c/b.csv", rows(1))
    assert "empty part between slashes" in failed(ingested("clicks", bucket.url("*/*.csv"), api=ONCE)).what
    assert len(ingested("clicks", bucket.url("c/*.csv"), api=ONCE).messages) == 1


@pytest.mark.parametrize(
    ("scheme", "text", "hint"),
    [
        ("s3", "Error performing PUT http://169.254.169.254/latest/api/token in 1ms - HTTP error", "AWS_ACCESS_KEY_ID"),
        (
            "gs",
            "Error performing token request: Error performing GET http://metadata",
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
        ("az", "Generic MicrosoftAzure error: Account must be specified", "AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_no_credentials(scheme: str, text: str, hint: str) -> None:
    found = failure(Exception(text), "b", scheme)
    assert found.what == "no credentials were found"
    assert hint in found.hint


def test_invalid_settings_in_the_environment(log: SqliteLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text('{"hidden": 1}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(ConfigurationError, match="no valid settings") as error:
        ingest("clicks", "gs://bucket/", log, IngestOptions(api=ONCE))
    assert "hidden" not in str(error.value)


def test_an_azure_account_has_to_be_named(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(ConfigurationError, match="AZURE_STORAGE_ACCOUNT_NAME"):
        ingest("clicks", "az://container/", log, IngestOptions(api=ONCE))


def test_a_profile_of_the_configuration(
    bucket: S3Bucket, ingested: Ingest, log: SqliteLog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    (tmp_path / "credentials").write_text("[other]\naws_access_key_id = key\naws_secret_access_key = secret\n")
    bucket.put("a.csv", rows(1))
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert len(ingested("clicks", bucket.url("*"), api=ONCE).messages) == 1
    monkeypatch.setenv("AWS_PROFILE", "none")
    with pytest.raises(ConfigurationError, match="the profile 'none'"):
        ingest("clicks", bucket.url("*"), log, IngestOptions(api=ONCE))


def test_the_extra_is_missing(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'advertisex\[objects\]'"):
        ingest(FEEDS["clicks"], "s3://bucket/", log)


SECRET = "hidden"
SCHEMES = {"AWS": "s3", "AZURE": "az", "GOOGLE": "gs"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_ACCESS_KEY_ID", f"{SECRET}\r"),
        ("AWS_SECRET_ACCESS_KEY", f"{SECRET}\n"),
        ("AWS_SESSION_TOKEN", f"{SECRET}\x7f"),
        ("AWS_TOKEN", f"{SECRET}\udcff"),
        ("AWS_PROFILE", f"{SECRET}\r"),
        ("AWS_REGION", "us-east-1\r"),
        ("AWS_REGION", f"us/{SECRET}"),
        ("AWS_DEFAULT_REGION", ""),
        *(
            (name, value)
            for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL")
            for value in (f"not a {SECRET}", "", "http://h:99999", f"http://u:{SECRET}@h", "http://h?x", "ftp://h")
        ),
        ("AZURE_STORAGE_ACCOUNT_NAME", f"{SECRET}\r"),
        ("AZURE_STORAGE_ACCOUNT_NAME", "a/b"),
        ("AZURE_STORAGE_SAS_TOKEN", f"{SECRET}\r"),
        ("AZURE_TENANT_ID", "a b"),
        ("GOOGLE_APPLICATION_CREDENTIALS", f"/{SECRET}\r"),
    ],
)
def test_an_invalid_variable_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as error:
        check_environment(SCHEMES[name.partition("_")[0]])
    assert error.value.where == f"environment variable {name}"
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "url", ["https://h", "HTTP://h:9000/", "http://[::1]:9000", "http://minio_1:9000/a/b", "http://127.0.0.1"]
)
def test_valid_variables(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    values = {
        "AWS_ENDPOINT_URL": url,
        "AWS_SESSION_TOKEN": "FwoGZ+/==",
        "AWS_REGION": "us-gov-west-1",
        "AZURE_CREDENTIALS": '{\n"a": 1\n}',
        "GOOGLE_CREDENTIALS": "{\r\n}",
        "GOOGLE_SERVICE_ACCOUNT_KEY": '{\n"a": 1}',
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    for scheme in SCHEMES.values():
        check_environment(scheme)


def test_an_invalid_variable_is_found_before_the_client_is_built(
    bucket: S3Bucket, log: SqliteLog, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key\r")
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        ingest("clicks", bucket.url(), log, IngestOptions(api=ONCE))
    assert capfd.readouterr().err == ""


def test_a_panic_of_the_client_costs_the_request(ingested: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"private_key": "", "private_key_id": "", "client_email": "", "gcs_base_url": "no url", "disable_oauth": True}
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(key))
    assert failed(ingested("clicks", "gs://bucket/", api=ONCE)).what == "the client of the object store failed"
