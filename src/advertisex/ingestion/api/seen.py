"""The records that a source has sent before, kept in the log's state by their hashes, in bounded numbers.

The hashes of the messages of one append are a bucket, with a key of its own: an append never writes older ones again.
At the end of a poll, many small buckets become one, so that the number of keys is bounded too.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec
import xxhash

from advertisex.ingestion.api.cursor_field import is_before
from advertisex.ingestion.api.cursor_value import CursorValue, cursor_value
from advertisex.ingestion.api.seen_bounds import excess_of, merges, without

#: Maximum number of records that are remembered; about 20 MB. While a poll is read, up to twice as many.
RECORDS = 200_000
#: What is left, while a poll is read, after records were forgotten because there are too many.
_KEPT = 0.95
_BYTES = 16
#: A tag is the number of the poll that saw a record last, and that of its bucket; so the order of tags is that of age.
_POLL = 32
_BUCKET = (1 << _POLL) - 1

_hash = xxhash.xxh3_128_intdigest


class Bucket(msgspec.Struct, array_like=True):
    """Hashes as they are stored.

    Attributes:
        hashes: 16 bytes each.
        newest: the largest cursor of the records, as the source wrote it; empty without one.
    """

    hashes: bytes
    newest: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Bucket).decode


class Seen:
    """The records that earlier responses contained.

    Args:
        prefix: prefix of the keys.
        stored: the stored buckets, by key.
        unfinished: the buckets of the response that was not read to its end.
        ordered: whether the cursors of the stored buckets are of the same field as those of new records.
        records: maximum number of records to remember.

    Attributes:
        limit: maximum number of records to remember.
        unfinished: the stored buckets of the response that is being read.
    """

    def __init__(
        self,
        prefix: str,
        stored: Mapping[str, bytes] | None = None,
        unfinished: Collection[int] = (),
        *,
        ordered: bool = True,
        records: int = RECORDS,
    ) -> None:
        self._prefix, self.limit = prefix, records
        self._known: dict[int, int] = {}
        self._current: dict[int, int] = {}  # of this response
        self._repeats: Counter[int] = Counter()  # further occurrences of those
        self._left_out: Counter[int] = Counter()  # those that an earlier attempt to read this response has appended
        self._unwritten: list[int] = []
        self._sizes: dict[int, int] = {}
        self._newest: dict[int, CursorValue] = {}
        self._evicted: Counter[int] = Counter()
        self._refreshed: dict[int, int] = {}
        self._poll, self._changed = 1, False
        self.unfinished = list(unfinished)
        for key, value in sorted((stored or {}).items()):
            bucket = _decode(value)
            self._load(int(key.removeprefix(prefix)), bucket.hashes, bucket.newest if ordered else "")
        self._open = self._next_tag()
        self._first = self._open & _BUCKET  # of the buckets of this poll

    def __len__(self) -> int:
        return len(self._known) + len(self._current)

    def begin_response(self) -> None:
        """Begin to read a response, or the same one again: what was appended of it is left out, as often as it was."""
        self._left_out = self._repeats.copy()
        self._left_out.update(self._current.keys())

    def unseen(self, messages: Iterable[bytes], newest: CursorValue | None = None) -> list[int]:
        """Return the indices of the messages that no earlier response contained, and remember them.

        Args:
            messages: further messages of the response.
            newest: the largest cursor of their records.
        """
        known, current, poll, new = self._known, self._current, self._poll, []
        for index, message in enumerate(messages):
            digest = _hash(message)
            if (tag := known.get(digest)) is not None:
                if tag >> _POLL != poll:
                    known[digest] = self._refresh(tag)
            elif self._left_out and self._left_out[digest] > 0:
                self._left_out[digest] -= 1
            else:
                new.append(index)
                self._unwritten.append(digest)
                if digest in current:
                    self._repeats[digest] += 1
                else:
                    current[digest] = self._open
        if new and newest is not None:
            self._note_newest(self._open & _BUCKET, newest)
        return new

    def end_response(self) -> None:
        """Note that the response was read to its end: from now on, its records are seen."""
        self._known.update(self._current)
        self._current, self.unfinished = {}, []
        self._repeats.clear()
        self._left_out.clear()
        if len(self._known) > 2 * self.limit:
            self._evict(int(2 * self.limit * _KEPT), self._age_of_new)

    def changes(self) -> dict[str, bytes | None]:
        """Return what is to be stored since the last call, with the messages that were new."""
        if not self._unwritten:
            return {}
        bucket, hashes = self._open & _BUCKET, self._unwritten
        self._unwritten, self._sizes[bucket], self._changed = [], len(hashes), True
        if self._current:
            self.unfinished.append(bucket)
        self._open = self._next_tag()
        return {self._key(bucket): self._dump(bucket, hashes)}

    def end_poll(self, horizon: CursorValue | None = None) -> tuple[dict[str, bytes | None], int]:
        """Forget the records before the horizon that this poll has not seen, and compact what is stored.

        Args:
            horizon: the smallest cursor that the source may send again; None if any record may come again.

        Returns:
            What is to be stored, and the number of records that this poll has seen and that are not remembered although
            they may come again.
        """
        changed = self.changes()
        if self._changed:
            self._forget_before(horizon)
        if len(self._known) > self.limit:
            self._evict(self.limit, lambda tag: self._worth(tag, horizon))
        lost = sum(
            count
            for tag, count in self._evicted.items()
            if tag >> _POLL == self._poll and not self._is_before(horizon, tag & _BUCKET)
        )
        if self._changed:
            changed |= self._compacted()
        self._poll += 1
        self._open = self._next_tag()
        self._first = self._open & _BUCKET
        self._changed = False
        self._evicted.clear()
        self._refreshed.clear()
        return changed, lost

    def _load(self, number: int, packed: bytes, newest: str) -> None:
        hashes = [int.from_bytes(packed[start : start + _BYTES]) for start in range(0, len(packed), _BYTES)]
        self._sizes[number] = len(hashes)
        if newest:
            self._newest[number] = cursor_value(newest)
        if number not in self.unfinished:
            self._known.update(dict.fromkeys(hashes, number))
            return
        for digest in hashes:
            if digest in self._current:
                self._repeats[digest] += 1
            self._current[digest] = number

    def _next_tag(self) -> int:
        return self._poll << _POLL | max(self._sizes, default=0) + 1

    def _refresh(self, tag: int) -> int:
        """Return the tag of a record that this poll sees again; one object for all records of a bucket."""
        return self._refreshed.setdefault(tag, self._poll << _POLL | tag & _BUCKET)

    def _key(self, bucket: int) -> str:
        return f"{self._prefix}{bucket:010}"

    def _dump(self, bucket: int, hashes: Iterable[int]) -> bytes:
        packed = b"".join(digest.to_bytes(_BYTES) for digest in hashes)
        newest = self._newest.get(bucket)
        return _encode(Bucket(packed, newest.text if newest else ""))

    def _note_newest(self, bucket: int, value: CursorValue) -> None:
        before = self._newest.get(bucket)
        if before is None or not is_before(value, before):
            self._newest[bucket] = value

    def _is_before(self, horizon: CursorValue | None, bucket: int) -> bool:
        newest = self._newest.get(bucket)
        return horizon is not None and newest is not None and is_before(newest, horizon)

    def _evict(self, limit: int, worth: Callable[[int], Any]) -> None:
        """Forget the records of the least worth, by their tags, until only so many are left."""
        dropped = excess_of(self._known, limit, worth)
        self._evicted.update(dropped)
        self._known, self._changed = without(self._known, dropped), True

    def _age_of_new(self, tag: int) -> tuple[bool, int]:
        """While a poll is read, its first new records go first: the others may still come again in it."""
        return tag & _BUCKET < self._first, tag

    def _worth(self, tag: int, horizon: CursorValue | None) -> tuple[bool, bool, bool, int]:
        """After a poll, what does not come again goes first, then what it has not seen, and last what it saw again.

        So a source that has a few records too many gets only the excess appended again, and not everything in turn.
        """
        bucket = tag & _BUCKET
        return not self._is_before(horizon, bucket), tag >> _POLL == self._poll, bucket < self._first, tag

    def _forget_before(self, horizon: CursorValue | None) -> None:
        old = {bucket for bucket in self._sizes if self._is_before(horizon, bucket)}
        if old:
            poll = self._poll
            self._known = {d: tag for d, tag in self._known.items() if tag >> _POLL == poll or tag & _BUCKET not in old}

    def _compacted(self) -> dict[str, bytes | None]:
        live: Counter[int] = Counter()
        for tag, count in Counter(self._known.values()).items():
            live[tag & _BUCKET] += count
        changed: dict[str, bytes | None] = {self._key(bucket): None for bucket in self._sizes if not live[bucket]}
        targets = merges(live, self._sizes)
        rewritten: dict[int, list[int]] = defaultdict(list)
        for digest, tag in self._known.items() if targets else ():
            if (target := targets.get(tag & _BUCKET)) is not None:
                rewritten[target].append(digest)
                self._known[digest] = self._merged_tag(tag, target)
        for bucket, target in targets.items():
            if bucket in self._newest:
                self._note_newest(target, self._newest[bucket])
            if bucket != target:
                changed[self._key(bucket)] = None
        self._sizes = {bucket: self._sizes[bucket] for bucket in live if targets.get(bucket, bucket) == bucket}
        for target, hashes in rewritten.items():
            self._sizes[target] = len(hashes)
            changed[self._key(target)] = self._dump(target, hashes)
        self._newest = {bucket: newest for bucket, newest in self._newest.items() if bucket in self._sizes}
        return changed

    def _merged_tag(self, tag: int, target: int) -> int:
        return self._refreshed.setdefault(tag | 1 << 2 * _POLL, tag & ~_BUCKET | target)
