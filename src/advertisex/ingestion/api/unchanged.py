"""A response that is equal to an earlier one, and so has nothing new."""

from collections import Counter
from collections.abc import Iterator

import xxhash

from advertisex.ingestion.api.request import Response
from advertisex.ingestion.api.state import EarlierResponse, shown_time
from advertisex.ingestion.records import Chunk, Reader, Reading

NOT_MODIFIED = 304
#: Starts of the names of headers that say how to go on after a page.
_PAGING_HEADERS = ("link", "x-next", "x-total", "x-page", "x-has")


class Unchanged(Reader):
    """Reports a response that has nothing new."""

    def __init__(self, known: EarlierResponse) -> None:
        since = f"since {shown_time(known.at)}"
        seen = Counter(seen=known.records)
        self.reading = Reading(known.format, {"unchanged": since}, rows=known.records, skipped=seen)

    def chunks(self) -> Iterator[Chunk]:
        return iter(())


def is_unchanged(response: Response, known: EarlierResponse) -> bool:
    """Whether a response is equal to an earlier one."""
    return response.status == NOT_MODIFIED or response_digest(response) == known.digest


def response_digest(response: Response) -> bytes:
    """Return a digest of a body, and of the headers that say how to go on after it."""
    digest = xxhash.xxh3_128(response.body)
    for name, value in sorted(response.headers.items()):
        if name.startswith(_PAGING_HEADERS):
            digest.update(f"{name}: {value}\n".encode())
    return digest.digest()
