"""Appends the messages of all requests that wait together: one append, and one write to the disk, for many requests."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

from advertisex.ingestion.publish import fitting
from advertisex.logs.contract import EventLog
from advertisex.model import Origin, Position


@dataclass(frozen=True, slots=True)
class _Append:
    """What a request appends.

    Attributes:
        messages: its messages.
        origin: where they come from.
        positions: their positions, once they are durable.
    """

    messages: list[bytes]
    origin: Origin
    positions: asyncio.Future[list[Position]]


class Batcher:
    """Appends to a log. While an append runs, what arrives waits for the next one: nothing waits for a timer.

    Args:
        log: the log.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._waiting: dict[str, list[_Append]] = {}
        self._flush: asyncio.Task[None] | None = None
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="collector")

    async def append(self, topic: str, messages: list[bytes], origin: Origin) -> list[Position]:
        """Append messages; return their positions once they are durable.

        Raises:
            LogError: some of the messages may be missing in the log; appending them again is safe.
        """
        positions: asyncio.Future[list[Position]] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(topic, []).append(_Append(messages, origin, positions))
        if self._flush is None:
            self._flush = asyncio.create_task(self._append_all())
        return await positions

    async def close(self) -> None:
        """Wait for what is being appended."""
        if self._flush is not None:
            await self._flush
        self._writer.shutdown()

    async def _append_all(self) -> None:
        """Append until nothing waits, by turns for each topic."""
        try:
            while self._waiting:
                topic = next(iter(self._waiting))
                await self._append_together(topic, self._waiting.pop(topic))
        finally:
            self._flush = None

    async def _append_together(self, topic: str, appends: list[_Append]) -> None:
        loop = asyncio.get_running_loop()
        try:
            positions = await loop.run_in_executor(self._writer, self._written, topic, appends)
        except Exception as error:  # noqa: BLE001 - every request must get its response
            for append in appends:
                if not append.positions.done():  # its client may have gone
                    append.positions.set_exception(error)
            return
        start = 0
        for append in appends:
            end = start + len(append.messages)
            if not append.positions.done():
                append.positions.set_result(positions[start:end])
            start = end

    def _written(self, topic: str, appends: list[_Append]) -> list[Position]:
        parts = [fitting(append.messages, self._log, topic, append.origin.source) for append in appends]
        origins = [append.origin for append in appends]
        return self._log.append_each(topic, list(chain.from_iterable(parts)), origins=origins)
