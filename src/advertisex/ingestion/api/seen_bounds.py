"""Keep the number of seen records, and of the buckets that hold them, within bounds."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

#: Maximum number of buckets of about one size: of less than 16 records, of less than 256, …
_BUCKETS = 16


def excess_of(known: Mapping[int, int], limit: int, worth: Callable[[int], Any]) -> dict[int, int]:
    """Return how many records of each tag are too many; those of the least worth first.

    Args:
        known: the tags by record.
        limit: the number of records to keep.
        worth: returns a key that orders tags.
    """
    excess = len(known) - limit
    dropped: dict[int, int] = {}
    counts = Counter(known.values())
    for tag in sorted(counts, key=worth):
        dropped[tag] = min(counts[tag], excess)
        excess -= dropped[tag]
        if not excess:
            break
    return dropped


def without(known: Mapping[int, int], dropped: Mapping[int, int]) -> dict[int, int]:
    """Return the tags by record without so many records of each tag."""
    left = dict(dropped)
    kept: dict[int, int] = {}  # a new one: deletions would leave their places behind
    for digest, tag in known.items():
        if left.get(tag):
            left[tag] -= 1
        else:
            kept[digest] = tag
    return kept


def merges(live: Counter[int], sizes: Mapping[int, int]) -> dict[int, int]:
    """Return the buckets that are to be written again, and the bucket that takes each of them.

    Args:
        live: number of records of each bucket that are still known.
        sizes: number of records with which each bucket is stored.
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for bucket, size in sorted(live.items()):
        by_size[size.bit_length() // 4].append(bucket)
    targets = {bucket: bucket for bucket, size in live.items() if size * 2 < sizes[bucket]}
    for buckets in by_size.values():
        if len(buckets) > _BUCKETS:
            targets |= dict.fromkeys(buckets, buckets[0])
    return targets
