"""Channels: notices reach a real webhook and a real mail server; failing or hanging channels block nothing."""

from collections.abc import Iterator

import pytest
import stamina
from pydantic import SecretStr

from advertisex.errors import ConfigurationError
from advertisex.monitoring.channels import Channel, NotSent, channels_of
from advertisex.monitoring.notices import Notice
from tests.monitoring.receivers import Mailbox, Webhook, free_port, mail_server, webhook

NOTICE = Notice("AdvertiseX: 1 firing", "volume of clicks: 3, expected about 40 & <b>more</b>")


@pytest.fixture(autouse=True)
def _without_waits() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as made:
        yield made


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as made:
        yield made


def channel(url: str) -> Channel[int]:
    return channels_of([SecretStr(url)])[0]


def test_a_webhook_and_a_mailbox_receive_the_complete_title_and_text(hook: Webhook, mailbox: Mailbox) -> None:
    channel(hook.url).send_once(NOTICE)
    assert [(one["title"], one["message"]) for one in hook.got] == [NOTICE]

    channel(mailbox.url).send_once(NOTICE)
    (mail,) = mailbox.got
    assert mail["subject"] == NOTICE.title
    assert mail["to"] == "ops@example.com"
    text = mail.get_body(("plain",))  # type: ignore[attr-defined]
    assert text.get_content().strip() == NOTICE.body


@pytest.mark.parametrize(("status", "error"), [(500, "500"), (404, "404")])
def test_the_error_of_a_rejecting_channel_contains_the_reason(hook: Webhook, status: int, error: str) -> None:
    hook.status = status
    with pytest.raises(NotSent, match=error) as raised:
        channel(hook.url).send_once(NOTICE)
    assert "secret-path" not in str(raised.value)


def test_an_unreachable_channel_raises_a_connection_error() -> None:
    port = free_port()
    for url in (
        f"json://u:secretword@127.0.0.1:{port}/",
        f"mailto://127.0.0.1:{port}/?from=a@b.example&to=c@d.example",
    ):
        with pytest.raises(NotSent, match="onnection") as raised:
            channel(url).send_once(NOTICE)
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
