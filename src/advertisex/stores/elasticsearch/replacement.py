"""Rebuild the store in Elasticsearch: indices of the next generation grow, and then take over the aliases."""

from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from elastic_transport import BaseNode, NodeConfig, Urllib3HttpNode

from advertisex.errors import IndexGone, StoreMissing
from advertisex.feeds import FEEDS
from advertisex.model import Partition, Position
from advertisex.settings.model import ElasticsearchSettings
from advertisex.stores.commit_time import Clock, utc_now
from advertisex.stores.contract import ERASURES
from advertisex.stores.elasticsearch.address import address_of
from advertisex.stores.elasticsearch.catalogue import Catalogue
from advertisex.stores.elasticsearch.client import Connection
from advertisex.stores.elasticsearch.generation import (
    ALIASES,
    FORMAT_1,
    INTERNAL,
    Names,
    aliased,
    find,
    generations,
    ledgers,
    remains,
)
from advertisex.stores.elasticsearch.index_list import INDICES
from advertisex.stores.elasticsearch.retry import RetryPolicy
from advertisex.stores.elasticsearch.search import Hit, search_all
from advertisex.stores.elasticsearch.store import ElasticsearchStore
from advertisex.stores.elasticsearch.times import iso
from advertisex.stores.format import FORMAT
from advertisex.stores.replacement import NOTES, Progress, Replacement
from advertisex.stores.retention import RETENTION

_log = structlog.get_logger(__name__)

_WHAT = "rebuild the event store"
#: A request line has at most 4,096 bytes.
_DELETED_AT_ONCE = 20


class _Row(msgspec.Struct):
    """A document of a ledger of any format."""

    topic: str
    partition: int
    next_offset: int | None = None
    read: int = 0
    stored: int = 0
    removed: int = 0
    log: str = ""
    append_id: str = ""
    erasures: int = 0
    kept_since: str | None = None


class _Note(msgspec.Struct):
    kind: str
    key: str
    document: str


class _Marked(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    replayed_to: str | None = None
    resolution: str | None = None

    @property
    def position(self) -> Position:
        return Position(self.topic, self.partition, self.offset)


class ElasticsearchReplacement(Replacement):
    """A store in Elasticsearch, and the indices of the next generation beside it.

    Workers can write to the old store until the swap. What they process meanwhile is in the log; an erasure is
    noticed, and the rebuild begins again.

    Args:
        url: URL of the store.
        settings: settings of the store.
        clock: source of the new store's commit times.
        retry: timeouts and pauses of requests.
        transport: creates the node that sends the requests.

    Raises:
        ConfigurationError: the URL or the settings are invalid.
        StoreMissing: nothing was ever stored there.
        StoreError: the cluster could not be reached, or rejected a request.
    """

    def __init__(
        self,
        url: str,
        *,
        settings: ElasticsearchSettings = ElasticsearchSettings(),
        clock: Clock = utc_now,
        retry: RetryPolicy = RetryPolicy(),
        transport: Callable[[NodeConfig], BaseNode] = Urllib3HttpNode,
    ) -> None:
        self._open = partial(ElasticsearchStore, url, settings=settings, clock=clock, retry=retry, transport=transport)
        self._prefix, self._frozen, self._warned = settings.prefix, False, set[str]()
        self._connection = Connection(address_of(url), settings, retry, transport)
        self._new: ElasticsearchStore | None = None
        try:
            self.format, self._generation = self._find()
            self._names = Names(self._prefix, self._generation + 1)
            self.unreadable = [] if self._knows_notes() else [NOTES]
        except BaseException:
            self._connection.close()
            raise

    @property
    def new(self) -> ElasticsearchStore:
        if self._new is None:
            self._new = self._opened()
        return self._new

    def progress(self) -> dict[Partition, Progress]:
        rows = (msgspec.json.decode(source, type=_Row) for source in self._documents("ledger"))
        return {
            Partition(row.topic, row.partition): Progress(
                row.next_offset, row.read, row.stored - row.removed, row.log, row.append_id
            )
            for row in rows
            if row.next_offset is not None
        }

    def notes(self) -> dict[str, dict[str, bytes]]:
        found: dict[str, dict[str, bytes]] = {}
        for source in self._documents("notes"):
            note = msgspec.json.decode(source, type=_Note)
            if note.kind == INDICES:  # those of the old generation
                continue
            found.setdefault(note.kind, {})[note.key] = b64decode(note.document)
        return found

    def replay_marks(self) -> Iterator[Mapping[Position, Position]]:
        for marks in self._marked("replayed_to"):
            yield {mark.position: Position.read(mark.replayed_to) for mark in marks if mark.replayed_to}

    def resolution_marks(self) -> Iterator[Mapping[Position, str]]:
        for marks in self._marked("resolution"):
            yield {mark.position: mark.resolution for mark in marks if mark.resolution}

    def _marked(self, column: str) -> Iterator[list[_Marked]]:
        for page in self._pages("rejects", {"exists": {"field": column}}):
            yield [msgspec.json.decode(hit.source, type=_Marked) for hit in page]

    def carry_catalogue(self) -> None:
        if self.format == 1 or not self._is_there("catalogue"):  # format 1 had none
            return
        new = Catalogue(self._connection, self._names.search("catalogue"))
        Catalogue(self._connection, self._old("catalogue")).copy_to(new)

    def start_over(self) -> None:
        self.new.close()
        self._delete_new()
        self._new = self._opened()

    def freeze(self) -> None:
        self._block_old()
        self._frozen = True

    def swap(self) -> str:
        _delete_templates(self._connection, self._prefix, self._generation)
        rebuilt_at = self.new.settled()
        meta = {"format": FORMAT, "rebuilt_at": iso(rebuilt_at) if rebuilt_at else None}
        self._request("PUT", f"/{quote(self._names.template('ledger'))}/_mapping", {"_meta": meta})
        kept = generations(self._connection, self._prefix)[self._generation]
        self._move_aliases()
        self._frozen = False  # the old indices stay blocked
        self.new.close()
        self._new = self._open()
        return f"{len(kept)} indices, {kept[0]} to {kept[-1]}"

    def close(self) -> None:
        try:
            if self._frozen:
                self._frozen = False
                self._block_old(blocked=False)
        finally:
            if self._new is not None:
                self._new.close()
            self._connection.close()

    def _old(self, what: str) -> str:
        """An internal index of the old store."""
        if not self._generation:
            return self._prefix + FORMAT_1[what]
        return Names(self._prefix, self._generation).search(what)

    def _find(self) -> tuple[int, int]:
        """Format and generation of the old store; it may have lost indices, the ledger among them."""
        if found := find(self._connection, self._prefix):
            return found.format, found.generation
        if left := remains(self._connection, self._prefix):
            return FORMAT, left.generation
        what, hint = "nothing has been stored yet", "run `advertisex process`"
        raise StoreMissing(what, where=str(self._connection.address), hint=hint)

    def _has(self, what: str) -> bool:
        """Whether an internal index of the old store exists."""
        accept = {HTTPStatus.NOT_FOUND}
        answer = self._connection.request("HEAD", f"/{quote(self._old(what))}", what=_WHAT, accept=accept)
        return answer.status != HTTPStatus.NOT_FOUND

    def _knows_notes(self) -> bool:
        """Whether the old store still knows who was erased, and before what time nothing is kept."""
        rows = [msgspec.json.decode(source, type=_Row) for source in self._documents("ledger")]
        notes, erasures = self.notes(), max((row.erasures for row in rows), default=0)
        knows_floor = RETENTION in notes or not any(row.kept_since for row in rows)
        is_known = self._has("notes") or self._has("ledger")
        return is_known and knows_floor and len(notes.get(ERASURES, {})) >= erasures

    def _is_there(self, what: str) -> bool:
        """Whether an internal index of the old store exists; warns if it does not."""
        if not (found := self._has(what)) and what not in self._warned:
            self._warned.add(what)
            _log.warning(f"Index {self._old(what)} is gone; the new store lacks what only it knew")
        return found

    def _pages(self, what: str, query: Mapping[str, Any] | None = None) -> Iterator[list[Hit]]:
        """The documents of an internal index of the old store; none if it was deleted."""
        if self._is_there(what):
            yield from search_all(self._connection, self._old(what), [{"_shard_doc": "asc"}], query=query)

    def _documents(self, what: str) -> Iterator[msgspec.Raw]:
        for page in self._pages(what):
            for hit in page:
                yield hit.source

    def _opened(self) -> ElasticsearchStore:
        """The new store; one that another version began is begun again."""
        begun = ledgers(self._connection, [self._names.template("ledger")])
        if not begun or begun[0].format != FORMAT:
            self._delete_new()
        try:
            return self._open(generation=self._names.generation)
        except IndexGone:
            self._delete_new()
            return self._open(generation=self._names.generation)

    def _delete_new(self) -> None:
        _delete(self._connection, generations(self._connection, self._prefix).get(self._names.generation, []))

    def _block_old(self, *, blocked: bool = True) -> None:
        """Block writes to the old ledger, so that no worker of the old store can commit, whatever its version."""
        internal = INTERNAL if self._generation else FORMAT_1
        names = ",".join(quote(self._old(what)) for what in internal)
        if blocked:  # waits for writes that have started
            self._request("PUT", f"/{names}/_block/write?ignore_unavailable=true")
        else:
            self._request("PUT", f"/{names}/_settings?ignore_unavailable=true", {"index.blocks.write": None})

    def _move_aliases(self) -> None:
        """Move all aliases at once."""
        ours = {self._names.alias(what): what for what in ALIASES}
        present = aliased(self._connection, self._prefix).items()
        actions = [{"remove": {"index": index, "alias": alias}} for index, its in present for alias in its]
        for name in generations(self._connection, self._prefix)[self._names.generation]:
            (alias,) = (alias for alias, what in ours.items() if name.startswith(self._names.template(what)))
            actions.append({"add": {"index": name, "alias": alias}})
        self._request("POST", "/_aliases", {"actions": actions})

    def _request(self, method: str, path: str, body: object | None = None) -> None:
        self._connection.request(method, path, body, what=_WHAT)


def kept_old(url: str, settings: ElasticsearchSettings = ElasticsearchSettings()) -> list[str]:
    """The indices of all generations but the one that is the store: old ones, and one that is not complete.

    Raises:
        ConfigurationError: the URL or the settings are invalid.
        StoreError: the cluster could not be reached, or rejected a request.
    """
    with closing(Connection(address_of(url), settings)) as connection:
        return [name for names in _others(connection, settings.prefix).values() for name in names]


def drop_old(url: str, settings: ElasticsearchSettings = ElasticsearchSettings()) -> list[str]:
    """Delete the indices of `kept_old`, and return their names.

    Raises:
        ConfigurationError: the URL or the settings are invalid.
        StoreError: the cluster could not be reached, or rejected a request.
    """
    dropped = []
    with closing(Connection(address_of(url), settings)) as connection:
        for generation, names in _others(connection, settings.prefix).items():
            _delete_templates(connection, settings.prefix, generation)
            _delete(connection, names)
            dropped += names
    return dropped


def _others(connection: Connection, prefix: str) -> dict[int, list[str]]:
    """The indices of all generations but the live one."""
    live = find(connection, prefix)
    found = {} if live is None else generations(connection, prefix)
    return {number: names for number, names in found.items() if live is not None and number != live.generation}


def _delete(connection: Connection, names: list[str]) -> None:
    """Delete indices; those that do not exist are ignored."""
    for start in range(0, len(names), _DELETED_AT_ONCE):
        some = ",".join(map(quote, names[start : start + _DELETED_AT_ONCE]))
        connection.request("DELETE", f"/{some}?ignore_unavailable=true", what="delete indices")


def _delete_templates(connection: Connection, prefix: str, generation: int) -> None:
    """Delete the index templates of a generation: that of format 1 would add an old worker's next index to an alias."""
    names = [Names(prefix, generation).template(what) for what in ALIASES]
    if not generation:
        names = [prefix + name for name in (*(ALIASES[feed] for feed in FEEDS), *FORMAT_1.values())]
    for name in names:
        path = f"/_index_template/{quote(name)}"
        connection.request("DELETE", path, what="delete index templates", accept={HTTPStatus.NOT_FOUND})
