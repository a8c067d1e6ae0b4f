"""Channels: where notices go. Each has a thread of its own, so that one that hangs holds up nobody.

A channel has one notice under way at most. What else it is to be told meanwhile comes in the next one.
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
from advertisex.monitoring.messages import Notice

_LOG = structlog.get_logger(__name__)
T = TypeVar("T")

#: A notice is tried so often, and for so many seconds; the next look at the alerts tries again.
ATTEMPTS = 5
SECONDS = 120.0


class NotSent(AdvertiseXError):
    """A channel did not take a notice."""


@dataclass(frozen=True, slots=True)
class Report(Generic[T]):
    """What became of a notice.

    Attributes:
        channel: the name of the channel.
        about: what was given along with the notice.
        failure: why it was not taken; empty where it was.
    """

    channel: str
    about: T
    failure: str


class Channel(Generic[T]):
    """One channel.

    Args:
        name: as it is shown: its URL, without secrets.
        server: apprise's.
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
        """Whether a notice is under way of which nothing was reported yet."""
        return self._busy

    def send(self, notice: Notice, about: T) -> None:
        """Have a notice sent by and by, unless the channel is busy."""
        if self._busy:
            return
        if self._thread is None:
            self._thread = Thread(target=self._work, name="alerts", daemon=True)  # the end of a run does not wait
            self._thread.start()
        self._busy = True
        self._waiting.put((notice, about))

    def reports(self, wait: float = 0.0) -> list[Report[T]]:
        """What became of the notice that was under way; waits so many seconds at most."""
        if not self._busy:
            return []
        try:
            report = self._reports.get(timeout=wait) if wait else self._reports.get_nowait()
        except Empty:
            return []
        self._busy = False
        return [report]

    def close(self) -> None:
        """Let the thread end when it has nothing under way."""
        try:
            self._waiting.put_nowait(None)
        except Full:
            return

    def send_once(self, notice: Notice) -> None:
        """Send a notice now.

        Raises:
            NotSent: it was not taken.
        """
        from apprise import NotifyType  # noqa: PLC0415 - slow, and often not needed

        with _Complaints() as complaints:
            try:
                taken = self._server.notify(title=notice.title, body=notice.body, notify_type=NotifyType.WARNING)
            except TypeError as error:  # apprise's way to say that a service of this machine is not there
                raise NotSent(f"the notice was not sent: {error}", where=self.name) from error
        if not taken:
            raise NotSent(f"the notice was not sent: {complaints.text() or 'it was refused'}", where=self.name)

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
            except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline goes on, and it is reported
                failure = error.what if isinstance(error, NotSent) else f"{type(error).__name__}"
                _LOG.warning("an alert was not sent: it is tried again", channel=self.name, why=failure)
            self._reports.put(Report(self.name, about, failure))


class _Complaints(logging.Handler):
    """What apprise logs in this thread, which is the only word that it says of a failure."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._of, self._said = get_ident(), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._of:
            self._said.append(record.getMessage())

    def text(self) -> str:
        return " ".join("; ".join(self._said).split())

    def __enter__(self) -> "_Complaints":
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("apprise").removeHandler(self)


def channels_of(urls: Sequence[SecretStr]) -> list[Channel[Any]]:
    """The channels that the settings name.

    Raises:
        ConfigurationError: one of them is no URL of apprise; only its scheme is told.
    """
    if not urls:
        return []
    logging.getLogger("apprise").propagate = False  # its warnings are in our reports
    found: list[Channel[Any]] = []
    for number, url in enumerate(urls, 1):
        text = url.get_secret_value()
        server = _server(text)
        if server is None:
            raise _no_channel(number, text)
        shown = urlsplit(server.url(privacy=True))
        name = f"{shown.scheme}://{shown.netloc}"  # the path of a webhook may be a secret
        same = sum(one.name.partition(" #")[0] == name for one in found)
        found.append(Channel(f"{name} #{same + 1}" if same else name, server))
    return found


def _server(url: str) -> Any:
    """Apprise's server of a URL, or None where it has none."""
    import apprise  # noqa: PLC0415 - slow, and often not needed

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports all of its services, some of which warn
        server: Any = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if server is not None:
        server.notify_format = apprise.NotifyFormat.TEXT  # mail as HTML would take < for the begin of a tag
    return server


def _no_channel(number: int, url: str) -> ConfigurationError:
    """Why a URL is no channel; it may hold a password, so only its scheme is told."""
    from apprise.manager_plugins import NotificationManager  # noqa: PLC0415 - as apprise

    scheme, is_url, _ = url.partition("://")
    where = f"setting alerts.channels: number {number}{f', {scheme}://…,' if is_url else ''}"
    services: Any = NotificationManager()  # type: ignore[no-untyped-call]
    service = services[scheme] if is_url and scheme in services else None
    if service is not None and not service.enabled:
        needs = service.requirements["details"] or ", ".join(service.requirements["packages_required"])
        return ConfigurationError(f"{where} cannot be used on this machine", hint=f"it says: {needs}")
    return ConfigurationError(
        f"{where} is no channel", hint="write it as docs/monitoring.md shows, or as apprise's list of services does"
    )
