"""Channels: a real webhook and a real mail server are told; one that fails or hangs holds up nobody."""

import time
from collections.abc import Iterator

import pytest
import stamina
from pydantic import SecretStr
from receivers import Mailbox, Webhook, free_port, mail_server, webhook

from advertisex.errors import ConfigurationError
from advertisex.monitoring.channels import Channel, NotSent, channels_of
from advertisex.monitoring.messages import Notice

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


def test_a_webhook_and_a_mailbox_get_title_and_text_whole(hook: Webhook, mailbox: Mailbox) -> None:
    channel(hook.url).send_once(NOTICE)
    assert [(one["title"], one["message"]) for one in hook.got] == [NOTICE]

    channel(mailbox.url).send_once(NOTICE)
    (mail,) = mailbox.got
    assert mail["subject"] == NOTICE.title
    assert mail["to"] == "ops@example.com"
    text = mail.get_body(("plain",))  # type: ignore[attr-defined]
    assert text.get_content().strip() == NOTICE.body


@pytest.mark.parametrize(("status", "says"), [(500, "500"), (404, "404")])
def test_a_channel_that_refuses_says_why(hook: Webhook, status: int, says: str) -> None:
    hook.status = status
    with pytest.raises(NotSent, match=says) as raised:
        channel(hook.url).send_once(NOTICE)
    assert "secret-path" not in str(raised.value)


def test_a_channel_that_is_not_there_says_so() -> None:
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
    (report,) = one.reports(wait=10)
    assert (report.channel, report.about) == (hook.name, 7)
    assert "503" in report.failure
    assert hook.tried == 3

    hook.status = 200
    one.send(NOTICE, 8)
    (report,) = one.reports(wait=10)
    assert (report.about, report.failure) == (8, "")
    assert len(hook.got) == 1
    one.close()


def test_a_channel_that_hangs_blocks_nobody_and_is_given_up(hook: Webhook) -> None:
    hook.status = None
    one = channel(hook.url)
    begun = time.monotonic()
    one.send(NOTICE, 1)
    for _ in range(100):
        one.send(NOTICE, 2)  # it is busy: nothing is queued without end
        assert one.reports() == []
    assert time.monotonic() - begun < 1
    (report,) = one.reports(wait=20)
    assert report.about == 1
    assert report.failure
    assert not one.busy
    one.close()


def test_the_name_of_a_channel_tells_no_secret() -> None:
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
def test_what_is_no_channel_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError, match="number 2") as raised:
        channels_of([SecretStr("json://127.0.0.1"), SecretStr(url)])
    assert "secretword" not in str(raised.value)


def test_a_desktop_that_is_not_there_says_what_it_needs() -> None:
    with pytest.raises(ConfigurationError, match=r"windows://…, cannot be used on this machine; it says: \S+"):
        channels_of([SecretStr("windows://")])
