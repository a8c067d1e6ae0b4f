"""`advertisex serve`: starts, prints its address, and ends when asked."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest


def started(world: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "advertisex", "serve", *options]
    return subprocess.Popen(command, cwd=world, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


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
            text = "".join(server.stdout.readline() for _ in range(4))
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


def test_an_address_that_others_reach_is_not_allowed(world: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[web]\nhost = "0.0.0.0"\n')
    with started(world, "--config", str(settings)) as server:
        printed = server.communicate(timeout=60)[1]
    assert server.returncode == 2
    assert "'0.0.0.0' is not a loopback address" in printed
    assert f"{settings}:2" in printed


@pytest.mark.parametrize("name", ["", "*", "http://ads.example.com/", "ads.example.com:80", "["])
def test_an_invalid_name_of_a_host_is_an_error(world: Path, tmp_path: Path, name: str) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[web]\nhosts = ["{name}"]\n')
    with started(world, "--config", str(settings)) as server:
        printed = server.communicate(timeout=60)[1]
    assert server.returncode == 2
    assert "is not the name of a host" in printed
