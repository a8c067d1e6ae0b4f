"""With `--server`, a command prints what it prints on the machine of the server, and reports what goes wrong there."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from advertisex.cli.options import opened_log, opened_store, store_for_changes
from advertisex.settings.load import load_settings
from advertisex.settings.web import WebSettings
from advertisex.web.server import serving
from advertisex.web.site import Site
from advertisex.web.uploads import Uploads
from tests.cli.conftest import commands_in, printed, run, steady
from tests.web.conftest import KNOWN, TOKENS

QUESTIONS = [
    "overview --campaign cmp001",
    "analyze summary --by day",
    "analyze correlation",
    "analyze performance --by campaign_id --zone Europe/Paris",
    "analyze pacing",
    "analyze funnel --by website --since 2026-01-11T15:00:00Z --valid-only",
    "analyze attribution --campaign cmp001 --model first --model linear --click-window 7d",
    "analyze journeys --limit 8",
    "analyze reach --by week",
    "analyze bids --where campaign_id=cmp001",
    "analyze quality",
    "analyze events --of clicks --limit 3",
    "analyze restatement --from 2026-01-10 --limit 3",
    "reconcile partner.csv --limit 2 --tolerance 5%",
]
READINGS = [
    "ledger",
    "sources",
    "doctor",
    "anomalies --since 2026-01-11 --limit 5",
    "alerts list --all",
    "erasures",
    "catalogue show --campaign cmp001",
    "catalogue show --flights --limit 3",
    "catalogue history",
    "rejects list --limit 8 --kind rejected",
    "rejects list --resolved",
    "rejects show {ids}",
    "rejects replay --reason bad_website --set website=a.example --dry-run",
]
#: Commands without a table, and errors of the server.
OTHERS = [
    "analyze performance --csv --table money",
    "analyze bids --csv",
    "reconcile partner.csv --csv",
    "rejects export --limit 9",
    "rejects export --format csv --kind filtered",
    "analyze performance --by planet",
    "analyze summary --since 2030-01-01",
    "analyze reach --currency EUR",
    "reconcile odd.csv",
    "rejects show ad_impressions/0/1000000",
    "rejects replay --reason bad_website --set planet=x --dry-run",
    "catalogue show --flights --creative c",
]


def site_of(folder: Path) -> Site:
    """What a server in this folder, which is the current one, serves."""
    settings = load_settings()
    store, log = partial(opened_store, settings), partial(opened_log, settings, create=False)
    uploads = folder / "uploads"
    uploads.mkdir()
    return Site(settings, partial(store, read_only=True), log, Uploads(uploads), partial(store_for_changes, settings))


@pytest.fixture(scope="module")
def address(prepared: Path) -> Iterator[str]:
    """The address of a server over the prepared folder."""
    (prepared / "odd.csv").write_text("Date,Impr.\n2026-01-08,3\n")
    with commands_in(prepared), serving(site_of(prepared), WebSettings(port=0)) as found:
        yield found


@pytest.fixture(scope="module")
def ids(prepared: Path) -> str:
    with commands_in(prepared):
        listed = json.loads(printed(80, "rejects", "list", "--limit", "2", "--json"))
    return " ".join(one["id"] for one in listed["rejects"])


def shown(capfd: pytest.CaptureFixture[str], width: int, *arguments: str) -> tuple[str, str]:
    """What a command prints: on a terminal, and beside it."""
    text = printed(width, *arguments)
    return steady(text), capfd.readouterr().err


@pytest.mark.parametrize("width", [60, 80])
def test_tables_are_those_of_the_server(
    folder: Path, address: str, ids: str, width: int, capfd: pytest.CaptureFixture[str]
) -> None:
    for command in [*QUESTIONS, *READINGS] if width == 60 else ["ledger", "analyze funnel"]:
        arguments = command.format(ids=ids).split()
        own, _ = shown(capfd, width, *arguments)
        assert shown(capfd, width, *arguments, "--server", address)[0] == own, command
        assert own


def test_documents_are_those_of_the_server(
    folder: Path, address: str, ids: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for command in [*QUESTIONS[3:5], QUESTIONS[-1], *READINGS]:  # every answer travels in the same way
        arguments = [*command.format(ids=ids).split(), "--json"]
        own, _ = shown(capfd, 80, *arguments)
        assert shown(capfd, 80, *arguments, "--server", address)[0] == own, command
        assert own.startswith("{")


def test_files_and_errors_are_those_of_the_server(
    folder: Path, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for command in OTHERS:
        own = shown(capfd, 80, *command.split())
        found = shown(capfd, 80, *command.split(), "--server", address)
        assert found[0] == own[0], command
        if not own[0]:
            assert found[1] == own[1], command
            assert own[1].startswith("error: ")


def test_files_are_written_here(folder: Path, address: str, tmp_path: Path) -> None:
    for server, name in (([], "own"), (["--server", address], "remote")):
        assert run("rejects", "export", "--to", str(tmp_path / f"{name}.csv"), *server) == 0
        assert run("analyze", "funnel", "--html", str(tmp_path / f"{name}.html"), *server) == 0
    for suffix in ("csv", "html"):
        assert (tmp_path / f"own.{suffix}").read_text() == (tmp_path / f"remote.{suffix}").read_text()


# -- changes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def own(prepared: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the prepared folder, whose rejects can change."""
    copytree(prepared / ".advertisex", tmp_path / "own" / ".advertisex")
    with commands_in(tmp_path / "own"):
        yield tmp_path / "own"


def answering_yes(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Any] = lambda: None) -> None:
    """Let somebody be at the terminal who answers yes to every question."""
    monkeypatch.setattr("advertisex.cli.confirming.check_can_ask", lambda what: None)
    monkeypatch.setattr("typer.confirm", lambda question, **_: meanwhile() or True)
    for module in ("replaying", "resolving"):
        monkeypatch.setattr(f"advertisex.cli.rejects.{module}.check_can_ask", lambda what: None)


def test_rejects_are_replayed_and_resolved_by_an_operator(
    own: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = ["rejects", "replay", "--reason", "bad_website", "--feed", "bids", "--set", "website=a.example"]
    resolve = ["rejects", "resolve", "--reason", "missing_field", "--note", "from afar"]
    with serving(site_of(own), WebSettings(port=0, tokens=KNOWN)) as address:
        for role, expected in (("", "a token is needed"), ("viewer", "this needs the role operator")):
            monkeypatch.setenv("ADVERTISEX_TOKEN", TOKENS.get(role, ""))
            for command in (replay, resolve):
                assert run(*command, "--yes", "--server", address) == 2
                assert expected in capfd.readouterr().err
        monkeypatch.setenv("ADVERTISEX_TOKEN", "adx_wrong")
        assert run("ledger", "--server", address) == 2
        assert "the token is wrong" in capfd.readouterr().err

        monkeypatch.setenv("ADVERTISEX_TOKEN", TOKENS["operator"])
        assert run(*replay, "--server", address) == 2  # nobody can be asked
        assert "stdin is not a terminal" in capfd.readouterr().err
        answering_yes(monkeypatch)
        before = printed(80, *replay, "--dry-run")
        capfd.readouterr()
        text = printed(80, *replay, "--server", address)
        assert text.startswith(before)
        assert "Sent to the log again" in text
        assert "Run `advertisex process`" in text
        found = json.loads(printed(80, *resolve, "--yes", "--json", "--server", address))
        assert (found["by"], found["note"]) == ("operator-1", "from afar")
        assert found["rejects"] > 0
        again = printed(80, *resolve, "--server", address)
    assert f"{found['rejects']:,} more were resolved already" in again
    monkeypatch.delenv("ADVERTISEX_TOKEN")
    assert "bad_website" not in printed(80, "rejects", "list", "--feed", "bids", "--not-replayed")


def test_a_confirmed_change_is_about_what_was_shown(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reject that comes between the preview and the answer is not replayed."""
    event = {"timestamp": "2026-01-05T09:00:00Z", "creative_id": "c1", "website": "a.example", "user_id": "unknown"}

    def meanwhile() -> None:
        (own / "more.ndjson").write_text(json.dumps(event))
        assert run("ingest", "impressions", "more.ndjson") == 0
        assert run("process") == 0

    answering_yes(monkeypatch, meanwhile)
    command = ["rejects", "replay", "--feed", "impressions", "--reason", "placeholder_user_id", "--set", "user_id=u"]
    with serving(site_of(own), WebSettings(port=0)) as address:
        shown_before = json.loads(printed(80, *command, "--dry-run", "--json", "--server", address))["messages"]
        assert shown_before > 0
        printed(80, *command, "--server", address)
    left = json.loads(printed(80, *command, "--dry-run", "--json"))
    assert (left["messages"], left["replayed_before"]) == (1, shown_before)


def test_an_interrupted_change_says_that_it_may_go_on(
    own: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with serving(site_of(own), WebSettings(port=0)) as address:
        monkeypatch.setattr("advertisex.connection.Connection.packed", interrupted)
        assert run("rejects", "resolve", "--all", "--yes", "--server", address) == 130
    assert "the server may still do it" in capfd.readouterr().err


def test_the_environment_of_a_command_may_have_a_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADVERTISEX_TOKEN", "adx_1")
    assert run("ledger") == 0
