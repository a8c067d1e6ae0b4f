"""The local servers keep their data, end with the process that started them, and explain why they do not start."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.budget import thorough
from tests.servers import artifacts, java
from tests.servers.elasticsearch import LocalElasticsearch
from tests.servers.errors import ServerError
from tests.servers.kafka import LocalKafka
from tests.servers.process import ServerProcess


def group_of(pid: int) -> list[int]:
    """The processes of a server, which leads its own process group."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return [int(process) for process, group, state in rows if int(group) == pid and not state.startswith("Z")]


def write_message(kafka: LocalKafka, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "acks": "all", "message.max.bytes": 64 << 20})
    producer.produce("events", value)
    assert producer.flush(30) == 0


def read_messages(kafka: LocalKafka, number: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "test", "fetch.message.max.bytes": 64 << 20})
    try:
        consumer.assign([TopicPartition("events", 0, 0)])
        return [message.value() for message in consumer.consume(number, timeout=30)]
    finally:
        consumer.close()


def call(server: LocalElasticsearch, method: str, path: str, body: object = None, timeout: float = 30) -> dict:
    headers = {"Content-Type": "application/json"}
    if server.user:
        headers["Authorization"] = "Basic " + b64encode(f"{server.user}:{server.password}".encode()).decode()
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.http_url + path, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.loads(answer.read())


@thorough  # tests/cluster/test_faults.py kills both, with a pipeline on them
def test_kafka_keeps_acknowledged_messages_through_a_kill_and_leaves_nothing_behind() -> None:
    with LocalKafka() as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.create_topics([NewTopic("events", 1, 1)])["events"].result(30)
        large = b"x" * (2 << 20)
        write_message(kafka, large)
        port, first, folder = kafka.port, kafka.pid, kafka.folder
        kafka.kill()
        assert not kafka.running
        assert group_of(first) == []
        kafka.restart()
        assert (kafka.port, kafka.pid != first) == (port, True)
        assert read_messages(kafka, 1) == [large]
    assert group_of(kafka.pid) == []
    assert not folder.exists()


@thorough  # tests/cluster/test_faults.py kills both, with a pipeline on them
def test_elasticsearch_keeps_acknowledged_documents_through_a_kill_and_leaves_nothing_behind() -> None:
    with LocalElasticsearch(security=True) as elasticsearch:
        assert elasticsearch.password in elasticsearch.url
        call(elasticsearch, "PUT", "/events/_create/1", {"user": "u1"})
        first, folder = elasticsearch.pid, elasticsearch.folder
        elasticsearch.kill()
        assert group_of(first) == []
        elasticsearch.restart()
        assert call(elasticsearch, "GET", "/events/_doc/1")["_source"] == {"user": "u1"}
        assert len(group_of(elasticsearch.pid)) >= 2  # the launcher and the node

        elasticsearch.pause()
        with pytest.raises(TimeoutError):
            call(elasticsearch, "GET", "/events/_doc/1", timeout=0.5)
        assert elasticsearch.running
        elasticsearch.resume()
        assert call(elasticsearch, "GET", "/events/_doc/1")["found"]
    assert group_of(elasticsearch.pid) == []
    assert not folder.exists()


def test_the_shared_servers_answer(kafka: str, elasticsearch: str) -> None:
    assert AdminClient({"bootstrap.servers": kafka.removeprefix("kafka://")}).list_topics(timeout=10).brokers
    # the indices that other tests create meanwhile are yellow for a moment
    health = elasticsearch.replace("elasticsearch:", "http:") + "/_cluster/health?wait_for_status=green&timeout=60s"
    with urllib.request.urlopen(health, timeout=70) as answer:
        assert json.loads(answer.read())["status"] == "green"


def sleeper(tmp_path: Path) -> ServerProcess:
    """A process that starts a child, as Elasticsearch's launcher does, and ignores SIGTERM."""
    script = "trap '' TERM; sleep 600 & sleep 600"
    return ServerProcess(["bash", "-c", script], environment=dict(os.environ), folder=tmp_path, output=tmp_path / "out")


def test_a_server_that_ignores_sigterm_is_killed_with_its_children(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    process.stop(timeout=0.3)
    assert not process.running
    assert group_of(process.pid) == []


def test_a_paused_server_can_be_killed(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    process.pause()
    process.kill()
    assert group_of(process.pid) == []


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_server_does_not_outlive_the_process_that_started_it(tmp_path: Path, end: signal.Signals) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from tests.servers.process import ServerProcess;"
        "here = Path(sys.argv[1]);"
        "server = ServerProcess(['sleep', '600'], environment=dict(os.environ), folder=here, output=here / 'out');"
        "print(server.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        pid = int(parent.stdout.readline())
        assert group_of(pid) == [pid]
        parent.send_signal(end)
    deadline = time.monotonic() + 60
    while group_of(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert group_of(pid) == []


def test_a_program_that_cannot_be_started_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"could not start /no/such/program .*No such file"):
        ServerProcess(["/no/such/program"], environment={}, folder=tmp_path, output=tmp_path / "out")


def test_the_error_of_a_missing_java_hints_at_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "homes", lambda: iter(()))
    with pytest.raises(ServerError) as raised:
        java.find_java(21, "Elasticsearch")
    message = str(raised.value)
    assert message.startswith("Elasticsearch needs Java 21 or newer; found none; set JAVA_HOME or install one: ")
    assert "\n" not in message


def test_the_error_lists_the_java_versions_that_are_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Path("/opt/java-11")
    monkeypatch.setattr(java, "homes", lambda: iter((old,)))
    monkeypatch.setattr(java, "java_version", lambda home, user: 11)
    with pytest.raises(ServerError, match="found 11 in /opt/java-11;"):
        java.find_java(17, "Kafka")


def test_java_home_is_preferred_and_a_folder_without_a_working_java_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"99.0.1\"' >&2\n")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert next(java.homes()) == tmp_path
    assert java.java_version(tmp_path) == 0  # not executable
    java.java_version.cache_clear()
    program.chmod(0o755)
    assert java.find_java(50, "A test") == tmp_path
    java.java_version.cache_clear()


def test_the_error_of_a_missing_maven_hints_at_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(artifacts.shutil, "which", lambda _: None)
    with pytest.raises(ServerError, match="Maven is required to download the test servers; apt-get install maven"):
        artifacts.kafka_jars()
    assert list((tmp_path / "advertisex" / "servers").glob("kafka*")) == []


def test_two_processes_can_download_at_the_same_time(tmp_path: Path) -> None:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text(
        f"#!/bin/sh\necho ran >> {tmp_path}/runs\nsleep 0.3\n"
        'for a; do case "$a" in -Dservers=*) to="${a#-Dservers=}";; esac; done\n'
        'mkdir -p "$to/kafka" && echo jar > "$to/kafka/kafka.jar"\n'
    )
    maven.chmod(0o755)
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PATH": f"{maven.parent}:{os.environ['PATH']}"}
    script = "from tests.servers.artifacts import kafka_jars; print(*kafka_jars().iterdir())"
    both = [
        subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    jars = {process.communicate()[0].strip() for process in both}
    assert jars == {f"{tmp_path}/advertisex/servers/kafka-{artifacts.version_of('kafka')}/kafka.jar"}
    assert (tmp_path / "runs").read_text().split() == ["ran"]


def descendants(pid: int) -> dict[int, str]:
    """All descendants of a process, with their command lines."""
    listed = subprocess.run(["ps", "-eww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [
        (int(child), int(parent), line) for child, parent, line in (row.split(None, 2) for row in listed.splitlines())
    ]
    found: dict[int, str] = {}
    level = {pid}
    while level:
        below = {child: line for child, parent, line in rows if parent in level}
        found |= below
        level = set(below)
    return found


@thorough  # it starts both once more, only to end one
def test_if_one_server_exits_the_other_is_stopped_and_one_line_reports_it() -> None:
    command = [sys.executable, "-m", "tests.servers"]
    servers = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert servers.stdout is not None
        while "Both are ready" not in servers.stdout.readline():
            assert servers.poll() is None
        below = descendants(servers.pid)
        (kafka,) = [pid for pid, line in below.items() if " kafka.Kafka " in line and "java" in line]
        os.kill(next(pid for pid, line in below.items() if "org.elasticsearch.bootstrap.Elasticsearch" in line), 9)
        _, stderr = servers.communicate(timeout=120)
    finally:
        servers.kill()
    assert servers.returncode == 1
    assert stderr.count("\n") == 1
    assert stderr.startswith("Elasticsearch (pid ")
    assert stderr.endswith("exited unexpectedly; stopping Kafka too\n")
    assert group_of(kafka) == []
