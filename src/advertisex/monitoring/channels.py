"""Channels that deliver notices. Each has its own thread, so a slow channel blocks nothing else.

A channel sends one notice at a time. Notifications that become due meanwhile go into the next notice. A notice that is
not accepted within the deadline is reported as undelivered; it remains due.
"""

import logging
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Thread, get_ident
from time import monotonic
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import stamina
import structlog
from pydantic import SecretStr

from advertisex.errors import ConfigurationError
from advertisex.extras import extra
from advertisex.limits import Limit
from advertisex.monitoring.attempts import Attempt, NoResponse, NotSent
from advertisex.monitoring.notices import Notice
from advertisex.reasons import reason_of

_LOG = structlog.get_logger(__name__)
T = TypeVar("T")

#: Limits on the attempts to send a notice, and on their total time. The next check of the alerts starts over.
ATTEMPTS = 5
SECONDS = 120.0
#: Signs in the warnings of apprise.
_STATUS = re.compile(r"\berror=([1-5]\d\d)\b")
_CONNECTION = re.compile(r"Connection error|Socket Exception|timed out")
#: Abandoned attempts of a channel that may still be running. Until one of them ends, nothing more is sent.
MAX_ABANDONED = Limit(3, "notices", of="a channel that does not respond", beyond="it waits for one of them")


@dataclass(frozen=True, slots=True)
class Report(Generic[T]):
    """Result of sending a notice.

    Attributes:
        channel: name of the channel.
        about: the value passed to `Channel.send` with the notice.
        failure: why sending failed; empty on success.
    """

    channel: str
    about: T
    failure: str


class Channel(Generic[T]):
    """Delivers notices to one service.

    Args:
        name: display name: the URL without secrets.
        server: the apprise notification object.
        seconds: deadline of a notice, including all attempts.
    """

    def __init__(self, name: str, server: Any, seconds: float = SECONDS) -> None:
        self.name = name
        self._server, self._seconds = server, seconds
        self._attempts: list[Attempt] = []
        self._waiting: Queue[tuple[Notice, T] | None] = Queue(maxsize=1)
        self._reports: Queue[Report[T]] = Queue()
        self._busy = False
        self._thread: Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether a notice is in flight, or its report has not been fetched yet."""
        return self._busy

    @property
    def reported(self) -> bool:
        """Whether a report can be fetched without waiting."""
        return not self._reports.empty()

    def send(self, notice: Notice, about: T) -> None:
        """Send a notice in the background. Does nothing if the channel is busy.

        Args:
            notice: the notice.
            about: any value; returned with the report.
        """
        if self._busy:
            return
        if self._thread is None:
            self._thread = Thread(target=self._work, name="alerts", daemon=True)  # must not delay shutdown
            self._thread.start()
        self._busy = True
        self._waiting.put((notice, about))

    def reports(self, wait: float = 0.0) -> list[Report[T]]:
        """Fetch the report on the notice in flight, if it is available.

        Args:
            wait: maximum time to wait, in seconds.
        """
        if not self._busy:
            return []
        try:
            report = self._reports.get(timeout=wait) if wait else self._reports.get_nowait()
        except Empty:
            return []
        self._busy = False
        return [report]

    def close(self) -> None:
        """Stop the thread if it is idle."""
        try:
            self._waiting.put_nowait(None)
        except Full:
            return

    def attempt(self, notice: Notice) -> Callable[[float], None]:
        """Begin to send a notice, without retries.

        Returns:
            A function that waits for the end, until a deadline on the monotonic clock. It raises NotSent if the
            channel does not accept the notice by then.

        Raises:
            NotSent: earlier attempts do not end.
        """
        from apprise import NotifyType  # noqa: PLC0415 - slow to import, and often unused

        def deliver() -> None:
            with _CapturedWarnings() as captured:
                try:
                    accepted = self._server.notify(title=notice.title, body=notice.body, notify_type=NotifyType.WARNING)
                except Exception as error:  # a TypeError if a local service is missing; nobody lists the others
                    raise NotSent(f"could not send the notice: {reason_of(error)}") from error
            if not accepted:
                raise NotSent(f"could not send the notice: {_reason_in(captured.text())}")

        self._attempts = [one for one in self._attempts if one.is_running]
        if len(self._attempts) >= MAX_ABANDONED:
            raise NoResponse("could not send the notice: no response to earlier ones yet")
        attempt = Attempt(deliver)
        self._attempts.append(attempt)

        def finish(deadline: float) -> None:
            try:
                attempt.finish(deadline - monotonic())
            except NoResponse:
                raise NoResponse(f"could not send the notice: no response within {self._seconds:g} s") from None

        return finish

    @property
    def deadline(self) -> float:
        """The deadline of a notice that is sent now, on the monotonic clock."""
        return monotonic() + self._seconds

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            notice, about = item
            failure, deadline = "", self.deadline
            try:
                for attempt in stamina.retry_context(
                    on=_may_be_retried, attempts=ATTEMPTS, timeout=self._seconds, wait_initial=1.0, wait_max=30.0
                ):
                    with attempt:
                        self.attempt(notice)(deadline)
            except Exception as error:  # noqa: BLE001 - reported below; the pipeline continues
                failure = str(error) if isinstance(error, NotSent) else reason_of(error)
                _LOG.warning("could not send an alert; will retry", channel=self.name, why=failure)
            self._reports.put(Report(self.name, about, failure))


def _may_be_retried(error: Exception) -> bool:
    return isinstance(error, NotSent) and not isinstance(error, NoResponse)


class _CapturedWarnings(logging.Handler):
    """Captures the warnings that apprise logs in this thread, its only report of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._of, self._messages = get_ident(), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._of:
            self._messages.append(record.getMessage())

    def text(self) -> str:
        return " ".join("; ".join(self._messages).split())

    def __enter__(self) -> "_CapturedWarnings":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("apprise").removeHandler(self)


def _reason_in(text: str) -> str:
    """Return what apprise's warnings say; they can have parts of a URL, and what a server answers."""
    if status := _STATUS.search(text):
        return f"the service returned status {status[1]}"
    return "the service cannot be reached" if _CONNECTION.search(text) else "the service rejected it"


def channels_of(urls: Sequence[SecretStr], seconds: float = SECONDS) -> list[Channel[Any]]:
    """Create the channels from the settings.

    Args:
        urls: their URLs.
        seconds: deadline of a notice.

    Raises:
        ConfigurationError: a URL is not supported by apprise. The error only shows its scheme.
    """
    if not urls:
        return []
    logging.getLogger("apprise").propagate = False  # we report its warnings
    found: list[Channel[Any]] = []
    for number, url in enumerate(urls, 1):
        text = url.get_secret_value()
        server = _server(text)
        if server is None:
            raise _invalid_channel(number, text)
        shown = urlsplit(server.url(privacy=True))
        name = f"{shown.scheme}://{shown.netloc}"  # the path of a webhook may be a secret
        same = sum(one.name.partition(" #")[0] == name for one in found)
        found.append(Channel(f"{name} #{same + 1}" if same else name, server, seconds))
    return found


def _server(url: str) -> Any:
    """Create the apprise object for a URL; None if the URL is not supported."""
    with extra("alerts", "the channels of alerts"):
        import apprise  # noqa: PLC0415 - an extra

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports every service, and some of them warn
        server: Any = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if server is not None:
        server.notify_format = apprise.NotifyFormat.TEXT  # HTML mail would interpret < as a tag
    return server


def _invalid_channel(number: int, url: str) -> ConfigurationError:
    """The error for an unsupported URL. It only shows the scheme, since the URL may contain a password."""
    from apprise.manager_plugins import NotificationManager  # noqa: PLC0415 - slow to import

    scheme, is_url, _ = url.partition("://")
    what = f"setting alerts.channels: number {number}{f', {scheme}://…,' if is_url else ''}"
    setting = ("alerts", "channels", number - 1)
    services: Any = NotificationManager()  # type: ignore[no-untyped-call]
    service = services[scheme] if is_url and scheme in services else None
    if service is not None and not service.enabled:
        needs = service.requirements["details"] or ", ".join(service.requirements["packages_required"])
        return ConfigurationError(
            f"{what} cannot be used on this machine", hint=f"apprise requires: {needs}", setting=setting
        )
    return ConfigurationError(
        f"{what} is not a valid channel URL",
        hint="see docs/monitoring.md, or apprise's list of services",
        setting=setting,
    )
