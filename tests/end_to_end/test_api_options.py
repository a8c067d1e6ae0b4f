"""The options for HTTP APIs on the command line, and what it prints while it waits."""

import socket

import pytest

from tests.end_to_end.conftest import Cli


@pytest.fixture
def refusing() -> str:
    """The URL of a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/feed?token=hidden"


@pytest.mark.parametrize("command", ["ingest", "preview"])
def test_a_retry_is_reported_before_the_wait(cli: Cli, refusing: str, command: str) -> None:
    done = cli(command, "clicks", refusing, "--attempts", "2", "--retry-wait", "10ms", "--json")
    assert done.code == 1
    line, error = done.err.splitlines()
    assert line.startswith('warning: retrying (why="could not connect: connection refused')
    assert "attempt=1 of 2 failed" in line
    assert error.startswith("error: could not connect")
    assert "hidden" not in done.err


def test_options_win_over_settings(cli: Cli, refusing: str, tmp_path) -> None:
    (tmp_path / "advertisex.toml").write_text("[api]\nattempts = 9\nretry_wait = 60\n")
    assert cli("ingest", "clicks", refusing, "--attempts", "1").err.count("retrying") == 0
    assert cli("ingest", "clicks", refusing, "--attempts", "2", "--retry-wait", "1ms").err.count("retrying") == 1


def test_a_line_end_in_a_header_is_found_before_the_first_request(cli: Cli, tmp_path) -> None:
    (tmp_path / "advertisex.toml").write_text('[api.headers]\nX-Key = "hidden\\n"\n')
    done = cli("ingest", "clicks", "http://127.0.0.1:1")
    assert done.code == 2
    assert done.err.startswith("error: the value has a line end (api.headers.X-Key); ")
    assert "hidden" not in done.err
