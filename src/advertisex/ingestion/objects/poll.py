"""Poll an object store: list what is new or changed, and read it."""

import time
from collections.abc import Iterator, Mapping

from advertisex.errors import ObjectReplaced, SourceError, SourceUnavailable
from advertisex.feeds import Feed
from advertisex.ingestion import sources
from advertisex.ingestion.formats import KNOWN, is_known
from advertisex.ingestion.object_address import Address
from advertisex.ingestion.objects.bucket import Bucket, StoredObject
from advertisex.ingestion.objects.reading import ObjectReading, opened
from advertisex.ingestion.objects.state import ObjectState, dump, load, missed
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.read import Nothing, inputs_in, or_failing
from advertisex.ingestion.records import Input
from advertisex.ingestion.source_status import lock_source, source_id, state_prefix
from advertisex.ingestion.sources import Objects
from advertisex.ingestion.stream import Stream
from advertisex.logs.contract import EventLog

#: How often an object is opened that is replaced between its listing and its first byte.
_OPENINGS = 3


def first_object(source: Objects, feed: Feed, options: IngestOptions) -> Iterator[Input]:
    """Yield the inputs of the first object, and the other objects, which are not opened, by name.

    Raises:
        ConfigurationError: the extra `objects` is not installed, or the environment has an invalid setting.
        SourceError: the objects could not be listed, or there are none.
    """
    address = source.address
    bucket = Bucket(address, options.api)
    (first, *others), _ = _compared(bucket, address, {})
    name = address.name_of(first.key)
    with opened(bucket, first, name) as stream:
        yield from or_failing(inputs_in(stream, feed, options), name)
    for one in others:
        yield Input(address.name_of(one.key), Nothing())


def _compared(
    bucket: Bucket, address: Address, known: Mapping[str, ObjectState]
) -> tuple[list[StoredObject], set[str]]:
    """Return the objects to read, by key, and the keys of known objects that are gone.

    Raises:
        SourceError: the listing failed, or no object is there, nor known.
    """
    single = None if address.is_glob or address.is_folder else bucket.found(address.pattern)
    present, found = _listed(bucket, address, known) if single is None else ({single.key}, [single])
    if not present and not known:
        raise SourceError("no such object", where=address.name_of(address.pattern), hint=_what_is_read(address))
    return [one for one in found if _is_new(one, known)], known.keys() - present


def _listed(bucket: Bucket, address: Address, known: Mapping[str, ObjectState]) -> tuple[set[str], list[StoredObject]]:
    """Return the keys of all objects, and those that may be new, by key.

    The client leaves out a slash at either end of a key, so the marker of the folder `a.csv/` seems to be the object
    `a.csv`. For an empty object, and for one that is listed with two versions, the key is requested.
    """
    versions, unsure = dict[str, str](), set[str]()

    def may_be_new(one: StoredObject) -> bool:
        if not address.matches(one.key) or (not one.size and not is_known(one.key)):  # not the marker of a folder
            return False
        if versions.setdefault(one.key, one.version) != one.version:
            unsure.add(one.key)
        if len(versions) > sources.MOST_FILES:
            raise sources.too_many(address.name_of(address.pattern))
        return _is_new(one, known)

    found = {one.key: one for one in bucket.listed(address.folder, may_be_new)}
    for key, one in list(found.items()):
        if key in unsure or not one.size:
            now = _requested(bucket, one)
            if now is not None:
                found[key] = now
            else:
                del found[key], versions[key]
    return set(versions), list(found.values())


def _requested(bucket: Bucket, one: StoredObject) -> StoredObject | None:
    """Return an object as it is now, or as it was listed if it may not be read; None if there is none.

    Raises:
        SourceUnavailable: the request failed in a way that a retry may fix.
    """
    try:
        return bucket.found(one.key)
    except SourceUnavailable:
        raise
    except SourceError:
        return one


def _is_new(one: StoredObject, known: Mapping[str, ObjectState]) -> bool:
    state = known.get(one.key)
    return state is None or not state.complete or state.version != one.version


def _what_is_read(address: Address) -> str:
    if address.is_glob:
        return "check the glob: * matches within a folder, **/ any folders, and [[] a bracket"
    return f"check the key; of a folder, these extensions are read: {', '.join(KNOWN)}"


class PolledObjects:
    """Objects that are polled, and what is known about them. Only one process polls them at a time.

    Attributes:
        id: identifies the source; see `source_id`.
        prefix: prefix of its keys in the log's state.
        name: its name in messages: its address.
    """

    def __init__(self, source: Objects, feed: Feed, options: IngestOptions, log: EventLog) -> None:
        self.name, self._address = source.name, source.address
        self.id = source_id(feed, self.name, options)
        self.prefix = state_prefix("objects", self.id)
        self._feed, self._options, self._log = feed, options, log
        self._bucket: Bucket | None = None
        self._states: dict[str, ObjectState] = {}

    @property
    def read(self) -> int:
        """Number of objects that have been read completely, without those that are gone."""
        return sum(state.complete and not state.gone_at for state in self._states.values())

    def listed(self) -> list[StoredObject]:
        """Return the objects to read, by key; what is gone is noted in the log.

        Raises:
            ConfigurationError: the extra `objects` is not installed, or the environment has an invalid setting.
            SourceError: the listing failed, nothing is there, or another process polls the objects.
            LogError: the log could not be read or written.
        """
        if self._bucket is None:
            bucket = Bucket(self._address, self._options.api, retry=not self._options.follow)
            lock_source(self._log, self.prefix, self.name, follow=self._options.follow)
            self._states = load(self._log.state(self.prefix), self.prefix)
            self._bucket = bucket
        new, gone = _compared(self._bucket, self._address, self._states)
        changes = missed(self._states, gone, time.time_ns() // 1000)
        if changes:
            values = {self.prefix + key: None if state is None else dump(state) for key, state in changes.items()}
            self._log.append(self._feed.topic, (), state=values)
        for key, state in changes.items():
            if state is None:
                del self._states[key]
            else:
                self._states[key] = state
        return new

    def is_read(self, key: str) -> bool:
        """Whether an object has been read completely."""
        return key in self._states and self._states[key].complete

    def inputs(self, one: StoredObject) -> Iterator[Input]:
        """Yield an object, or the members of an archive; one that fails yields an input that fails."""
        return or_failing(self._inputs(one), self._address.name_of(one.key))

    def _inputs(self, one: StoredObject) -> Iterator[Input]:
        one, stream = self._opened(one)

        def changed(state: ObjectState) -> None:
            self._states[one.key] = state

        with stream:
            if not _is_new(one, self._states):  # the listing was out of date
                return
            key = self.prefix + one.key
            reading = ObjectReading(one, stream.name, key, self._states.get(one.key), changed)
            yield from reading.inputs(stream, self._feed, self._options)
            if changes := reading.changes():  # such as that an archive was read to its end
                self._log.append(self._feed.topic, (), state=changes)

    def _opened(self, one: StoredObject) -> tuple[StoredObject, Stream]:
        """Open an object, or the version that has replaced it since it was listed.

        Raises:
            SourceError: it could not be read, or is gone.
        """
        assert self._bucket is not None
        name = self._address.name_of(one.key)
        for _ in range(_OPENINGS - 1):
            try:
                return one, opened(self._bucket, one, name)
            except ObjectReplaced:
                one = self._bucket.found(one.key) or one
        return one, opened(self._bucket, one, name)
