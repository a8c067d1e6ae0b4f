"""Channels that deliver notices. Each has its own thread, so a slow channel blocks nothing else.

A channel sends one notice at a time. Notifications that become due meanwhile go into the next notice.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Thread, get_ident
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import stamina
import structlog
from pydantic import SecretStr

from advertisex.errors import AdvertiseXError, ConfigurationError
from advertisex.monitoring.notices import Notice

_LOG = structlog.get_logger(__name__)
T = TypeVar("T")

#: Limits on the attempts to send a notice, and on their total time. The next check of the alerts starts over.
ATTEMPTS = 5
SECONDS = 120.0


class NotSent(AdvertiseXError):
    """A channel did not accept a notice."""


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
    """

    def __init__(self, name: str, server: Any) -> None:
        self.name = name
        self._server = server
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

    def send_once(self, notice: Notice) -> None:
        """Send a notice synchronously, without retries.

        Raises:
            NotSent: the channel did not accept the notice.
        """
        from apprise import NotifyType  # noqa: PLC0415 - slow to import, and often unused

        with _CapturedWarnings() as captured:
            try:
                accepted = self._server.notify(title=notice.title, body=notice.body, notify_type=NotifyType.WARNING)
            except TypeError as error:  # raised by apprise if a local service is missing
                raise NotSent(f"could not send the notice: {error}", where=self.name) from error
        if not accepted:
            raise NotSent(f"could not send the notice: {captured.text() or 'rejected'}", where=self.name)

    def _work(self) -> None:
        while (item := self._waiting.get()) is not None:
            notice, about = item
            failure = ""
            try:
                for attempt in stamina.retry_context(
                    on=NotSent, attempts=ATTEMPTS, timeout=SECONDS, wait_initial=1.0, wait_max=30.0
                ):
                    with attempt:
                        self.send_once(notice)
            except Exception as error:  # noqa: BLE001 - reported below; the pipeline continues
                failure = error.what if isinstance(error, NotSent) else f"{type(error).__name__}"
                _LOG.warning("could not send an alert; will retry", channel=self.name, why=failure)
            self._reports.put(Report(self.name, about, failure))


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


def channels_of(urls: Sequence[SecretStr]) -> list[Channel[Any]]:
    """Create the channels from the settings.

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
        found.append(Channel(f"{name} #{same + 1}" if same else name, server))
    return found


def _server(url: str) -> Any:
    """Create the apprise object for a URL; None if the URL is not supported."""
    import apprise  # noqa: PLC0415 - slow to import, and often unused

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
    where = f"setting alerts.channels: number {number}{f', {scheme}://…,' if is_url else ''}"
    services: Any = NotificationManager()  # type: ignore[no-untyped-call]
    service = services[scheme] if is_url and scheme in services else None
    if service is not None and not service.enabled:
        needs = service.requirements["details"] or ", ".join(service.requirements["packages_required"])
        return ConfigurationError(f"{where} cannot be used on this machine", hint=f"apprise requires: {needs}")
    return ConfigurationError(
        f"{where} is not a valid channel URL", hint="see docs/monitoring.md, or apprise's list of services"
    )
