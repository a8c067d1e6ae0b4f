"""Channels: notices reach a real webhook and a real mail server; failing or hanging channels block nothing."""

import gc
import socket
import sys
import threading
from collections.abc import Iterator
from time import monotonic

import pytest
import stamina
from pydantic import SecretStr

from advertisex.errors import ConfigurationError
from advertisex.monitoring.attempts import NotSent
from advertisex.monitoring.channels import MAX_ABANDONED, Channel, channels_of
from advertisex.monitoring.notices import Notice
from tests.monitoring.receivers import (
    HANGING,
    Hanging,
    Mailbox,
    Webhook,
    free_port,
    hanging,
    mail_server,
    webhook,
)

NOTICE = Notice("AdvertiseX: 1 firing", "volume of clicks: 3, expected about 40 & <b>more</b>")


@pytest.fixture(autouse=True)
def _without_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture(autouse=True)
def _ended_attempts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait for abandoned attempts. They leave their sockets to the garbage collector, which warns of them."""
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    yield
    for thread in threading.enumerate():
        if thread.name == "alert attempt":
            thread.join(60)
    gc.collect()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as made:
        yield made


def channel(url: str, seconds: float = 60) -> Channel[int]:
    return channels_of([SecretStr(url)], seconds)[0]


def send_once(one: Channel[int]) -> None:
    one.attempt(NOTICE)(one.deadline)


def test_a_webhook_and_a_mailbox_receive_the_complete_title_and_text(hook: Webhook, mailbox: Mailbox) -> None:
    send_once(channel(hook.url))
    assert [(one["title"], one["message"]) for one in hook.got] == [NOTICE]

    send_once(channel(mailbox.url))
    (mail,) = mailbox.got
    assert mail["subject"] == NOTICE.title
    assert mail["to"] == "ops@example.com"
    text = mail.get_body(("plain",))  # type: ignore[attr-defined]
    assert text.get_content().strip() == NOTICE.body


@pytest.mark.parametrize(("status", "error"), [(500, "500"), (404, "404")])
def test_the_error_of_a_rejecting_channel_contains_the_reason(hook: Webhook, status: int, error: str) -> None:
    hook.status = status
    with pytest.raises(NotSent, match=error) as raised:
        send_once(channel(hook.url))
    assert "secret-path" not in str(raised.value)


def test_an_unreachable_channel_raises_a_connection_error() -> None:
    port = free_port()
    for url in (
        f"json://u:secretword@127.0.0.1:{port}/",
        f"mailto://127.0.0.1:{port}/?from=a@b.example&to=c@d.example",
    ):
        with pytest.raises(NotSent, match="the service cannot be reached") as raised:
            send_once(channel(url))
        assert "secretword" not in str(raised.value)


def test_sending_is_retried_and_then_reported(hook: Webhook) -> None:
    hook.status = 503
    one = channel(hook.url)
    one.send(NOTICE, 7)
    (report,) = one.reports(wait=60)
    assert (report.channel, report.about) == (hook.name, 7)
    assert "503" in report.failure
    assert hook.attempts == 3

    hook.status = 200
    one.send(NOTICE, 8)
    (report,) = one.reports(wait=60)
    assert (report.about, report.failure) == (8, "")
    assert len(hook.got) == 1
    one.close()


def test_a_hanging_channel_blocks_nothing(hook: Webhook) -> None:
    hook.status = None
    one = channel(hook.url)
    one.send(NOTICE, 1)
    for _ in range(100):
        one.send(NOTICE, 2)  # busy: the notice is not queued
        assert one.reports() == []
    assert one.busy
    assert not hook.release.is_set(), "the webhook has not answered yet"
    hook.release.set()
    (report,) = one.reports(wait=60)
    assert report.about == 1
    assert not one.busy
    one.close()


def test_sending_to_a_hanging_channel_times_out(hook: Webhook) -> None:
    hook.status = None
    one = channel(hook.impatient_url)
    one.send(NOTICE, 1)
    (report,) = one.reports(wait=60)
    assert report.failure
    assert not one.busy
    one.close()


@pytest.mark.parametrize("how", HANGING)
def test_a_notice_without_an_answer_is_reported_at_its_deadline(how: Hanging) -> None:
    with hanging(how) as server:
        one = channel(server.url, seconds=0.3)
        one.send(NOTICE, 1)
        (report,) = one.reports(wait=60)
        assert (report.about, report.failure) == (1, "could not send the notice: no response within 0.3 s")
        one.close()


def test_after_a_hung_attempt_the_next_notice_is_delivered() -> None:
    with hanging("a byte at a time") as server:
        one = channel(server.url, seconds=2)
        with pytest.raises(NotSent, match="no response within 2 s"):
            one.attempt(NOTICE)(monotonic() + 0.1)
        server.answers = True
        one.send(NOTICE, 2)
        (report,) = one.reports(wait=60)
        assert (report.about, report.failure) == (2, "")
        one.close()


def test_a_name_server_that_never_answers_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: released.wait() and [])
    with pytest.raises(NotSent, match=r"no response within 0\.1 s"):
        send_once(channel("json://hooks.example/secret", seconds=0.1))
    released.set()


def test_an_abandoned_attempt_ends_with_the_next_byte_it_receives() -> None:
    with hanging("endless body") as server:
        one = channel(server.url, seconds=0.1)
        with pytest.raises(NotSent):
            send_once(one)
        (thread,) = (one for one in threading.enumerate() if one.name == "alert attempt")
        thread.join(60)
        assert not thread.is_alive()


def test_few_hung_attempts_are_kept_at_a_time() -> None:
    with hanging("never answers") as server:
        one = channel(f"{server.url}?cto=600&rto=600", seconds=0.05)  # otherwise, attempts end after 4 s
        failures = []
        for number in range(MAX_ABANDONED + 2):
            one.send(NOTICE, number)
            failures += [report.failure for report in one.reports(wait=60)]
        assert failures[:MAX_ABANDONED] == ["could not send the notice: no response within 0.05 s"] * MAX_ABANDONED
        assert failures[MAX_ABANDONED:] == ["could not send the notice: no response to earlier ones yet"] * 2
        assert server.connections == MAX_ABANDONED
        one.close()


def test_the_name_of_a_channel_contains_no_secret() -> None:
    urls = [
        "json://user:secretword@example.com/hooks/secretpath?+X-Token=secretheader",
        "json://user:secretword@example.com/hooks/another",
        "slack://TokenAsecret1/TokenBsecret/TokenCsecret00000000000000",
        "mailto://me:secretword@example.com?smtp=mail.example.com",
    ]
    names = [one.name for one in channels_of([SecretStr(url) for url in urls])]
    assert names == [
        "json://user:****@example.com",
        "json://user:****@example.com #2",
        names[2],
        "mailto://me:****@example.com",
    ]
    assert "secret" not in " ".join(names)
    assert names[2].startswith("slack://")


@pytest.mark.parametrize("url", ["nonsense secretword", "nosuch://secretword", "slack://secretword"])
def test_an_invalid_channel_url_is_rejected_without_showing_its_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError, match="number 2") as raised:
        channels_of([SecretStr("json://127.0.0.1"), SecretStr(url)])
    assert "secretword" not in str(raised.value)


def test_a_service_missing_on_this_machine_is_rejected_with_its_requirements() -> None:
    with pytest.raises(ConfigurationError, match=r"windows://…, cannot be used on this machine; apprise requires: \S+"):
        channels_of([SecretStr("windows://")])
