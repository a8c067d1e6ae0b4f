"""`advertisex serve`: starts, prints its address, and ends when asked."""

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from advertisex.errors import ConfigurationError
from advertisex.settings.load import load_settings
from advertisex.web.server import running
from tests.warm import program


def started(world: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "advertisex", "serve", *options]
    return subprocess.Popen(command, cwd=world, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_body_does_not_wait_for_the_acknowledgement_of_its_head() -> None:
    async def app(scope: object, receive: object, send: object) -> None: ...

    with socket.create_server(("127.0.0.1", 0)) as listener, running(app, listener):
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)  # connections inherit it


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_stopped(world: Path, number: signal.Signals) -> None:
    with started(world, "--port", "0") as server:
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            address = line.split()[4].rstrip(",")
            assert httpx.get(f"{address}readyz").text == "ok\n"
            assert httpx.get(f"{address}api/v1/ledger").json()["balanced"]
        finally:
            server.send_signal(number)
        ended = server.communicate(timeout=60)
    assert (server.returncode, ended) == (0, ("", ""))


def test_its_addresses_can_be_read_by_a_program(world: Path) -> None:
    with started(world, "--port", "0", "--json") as server:
        assert server.stdout is not None
        try:
            text = "".join(server.stdout.readline() for _ in range(5))
            assert httpx.get(f"{json.loads(text)['api']}ledger").status_code == 200
        finally:
            server.terminate()
        server.communicate(timeout=60)


def test_a_port_in_use_is_an_error(world: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        started(world, "--port", str(taken.getsockname()[1])) as server,
    ):
        printed = server.communicate(timeout=60)[1]
    assert server.returncode == 2
    assert "the port is in use" in printed
    assert "--port" in printed
    assert "Traceback" not in printed


def test_an_address_that_others_reach_needs_a_token(world: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[web]\nhost = "0.0.0.0"\n')
    with started(world, "--config", str(settings)) as server:
        printed = server.communicate(timeout=60)[1]
    assert server.returncode == 2
    assert "'0.0.0.0' is not a loopback address, and no tokens are configured" in printed
    assert "`advertisex token viewer NAME`" in printed
    assert f"{settings}:2" in printed


@pytest.mark.parametrize("name", ["", "*", "http://ads.example.com/", "ads.example.com:80", "["])
def test_an_invalid_name_of_a_host_is_an_error(world: Path, tmp_path: Path, name: str) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[web]\nhosts = ["{name}"]\n')
    with started(world, "--config", str(settings)) as server:
        printed = server.communicate(timeout=60)[1]
    assert server.returncode == 2
    assert "is not the name of a host" in printed


def test_a_printed_token_lets_its_holder_in_and_is_not_logged(world: Path, tmp_path: Path) -> None:
    printed = subprocess.run(
        [program(), "token", "viewer", "me"], cwd=world, capture_output=True, text=True, check=True
    )
    token, *lines = [line.strip() for line in printed.stdout.splitlines() if line.startswith("  ")]
    settings = tmp_path / "settings.toml"
    settings.write_text("\n".join(["[web]", "access_log = true", *lines]))
    again = subprocess.run(
        [program(), "token", "viewer", "me", "--config", str(settings)],
        capture_output=True,
        text=True,
        check=False,
    )
    with started(world, "--port", "0", "--config", str(settings)) as server:
        assert server.stdout is not None
        try:
            address = server.stdout.readline().split()[4].rstrip(",")
            assert httpx.get(f"{address}api/v1/ledger?secret=1").status_code == 401
            headers = {"Authorization": f"Bearer {token}"}
            assert httpx.get(f"{address}api/v1/ledger", headers=headers).json()["balanced"]
            assert httpx.get(f"{address}%1b[31m", headers=headers).status_code == 404
        finally:
            server.terminate()
        logged = server.communicate(timeout=60)[1]
    found = [json.loads(line) for line in logged.splitlines()]
    assert [(line["method"], line["path"], line["status"], line["role"]) for line in found] == [
        ("GET", "/api/v1/ledger", 401, "nobody"),
        ("GET", "/api/v1/ledger", 200, "viewer"),
        ("GET", "/%1b[31m", 404, "viewer"),
    ]
    assert all(
        set(line) == {"timestamp", "level", "event", "method", "path", "status", "seconds", "role"} for line in found
    )
    assert not any(text in logged for text in (token, "secret", "127.0.0.1"))
    assert (again.returncode, again.stderr) == (
        2,
        "error: there is a token 'me' in the settings; choose another name\n",
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["boss", "x"], "unknown role 'boss'; use one of viewer, operator, ingest"),
        (
            ["viewer", "My Name"],
            "NAME: 'My Name' is not a valid name; use a-z, 0-9, _ and -, and at most 60 characters",
        ),
    ],
)
def test_a_token_that_cannot_be_made_is_an_error(tmp_path: Path, arguments: list[str], error: str) -> None:
    ended = subprocess.run([program(), "token", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"error: {error}\n")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[[web.tokens]]\nname = "a"\nrole = "viewer"\nhash = "adx_the-token-itself"', "expected the hash of a token"),
        ('[web]\nproxies = ["*"]', "'*' is not an IP address or a network"),
        ('[web]\nproxies = ["10.0.0.1/8"]', "'10.0.0.1/8' is not an IP address or a network"),
        (2 * f'[[web.tokens]]\nname = "a"\nrole = "viewer"\nhash = "sha256:{0:064}"\n', "the name 'a' is given twice"),
        ('[[web.tokens]]\nname = "a"\nrole = "admin"\nhash = "x"', "expected viewer, operator or ingest"),
    ],
)
def test_invalid_settings_are_errors(tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "advertisex.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=re.escape(error)) as found:
        load_settings(tmp_path / "advertisex.toml", {})
    assert "adx_" not in str(found.value)
