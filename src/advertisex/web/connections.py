"""A connection of a client: reads its requests, within bounds of time and size."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from advertisex.limits import Limit

LONGEST_HEADERS = Limit(32_768, "bytes", of="the URL and the headers of a request", beyond="an error of the request")

#: Seconds in which the head of a request must arrive.
_HEAD_SECONDS = 10.0


class _TooLong(Exception):
    """Stops the parser; the request is answered with status 400."""


class Connection(HttpToolsProtocol):
    """Is closed if no whole head of a request arrives for a while, or if it is too long; uvicorn would go on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Begin to watch the time."""
        super().connection_made(transport)
        self._head = self._unread = 0
        self._has_read = False
        self._check_later(None)

    def data_received(self, data: bytes) -> None:
        """Read what has arrived. What the parser keeps of it, such as a header without an end, is bounded, too."""
        self._has_read = False
        super().data_received(data)
        self._unread = 0 if self._has_read else self._unread + len(data)
        if self._unread > LONGEST_HEADERS and not self.transport.is_closing():
            self.send_400_response("Request header too long.")

    def on_message_begin(self) -> None:
        """Begin to count the head of a request."""
        self._head = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count a part of the URL."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Note that the request goes on."""
        self._has_read = True
        super().on_body(body)

    def _count(self, size: int) -> None:
        self._has_read = True
        self._head += size
        if self._head > LONGEST_HEADERS:
            raise _TooLong

    def _check_later(self, last: object) -> None:
        self._check = self.loop.call_later(_HEAD_SECONDS, self._cut_if_idle, last)

    def _cut_if_idle(self, last: object) -> None:
        """Close it if nothing has been answered since the last check, and nothing is being answered."""
        if self.transport.is_closing():
            return
        is_idle = self.cycle is None or self.cycle.response_complete
        if is_idle and self.cycle is last:
            self.transport.close()
        else:
            self._check_later(self.cycle)
