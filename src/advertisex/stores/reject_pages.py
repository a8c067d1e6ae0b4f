"""Pages of rejects: their number and their size are bounded, because one message may be 16 MiB and most are small."""

from collections.abc import Iterable, Iterator

#: Maximum bytes of the messages of a page; a single message may be larger.
PAGE_BYTES = 16 * 2**20
#: What a reject takes besides its message, so that a page of small messages is bounded, too.
ROW_BYTES = 4 * 2**10


def page_lengths(sizes: Iterable[int]) -> Iterator[int]:
    """The number of rejects on each page.

    Args:
        sizes: bytes of the message of each reject, in order.
    """
    length = total = 0
    for size in sizes:
        cost = size + ROW_BYTES
        if length and total + cost > PAGE_BYTES:
            yield length
            length = total = 0
        length, total = length + 1, total + cost
    if length:
        yield length
