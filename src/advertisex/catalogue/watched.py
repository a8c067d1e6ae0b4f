"""A catalogue file that is imported into a store whenever its content has changed."""

from pathlib import Path

import structlog

from advertisex.catalogue.file import read_catalogue
from advertisex.catalogue.imports import CatalogueImport, import_catalogue
from advertisex.errors import ConfigurationError
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)

#: Inode, size and modification time.
_Signature = tuple[int, int, int]


class WatchedCatalogue:
    """Imports a file into a store when it is created, and on request when the file has changed since.

    Args:
        path: the file, see `read_catalogue`.
        store: the event store.

    Raises:
        ConfigurationError: the file is invalid.
        StoreError: the store cannot be written.
    """

    def __init__(self, path: Path, store: EventStore) -> None:
        self._path, self._store = path, store
        self._signature = _signature(path)
        self.first = import_catalogue(read_catalogue(path), store)

    def import_if_changed(self) -> CatalogueImport | None:
        """Import the file if it has changed since the last call, and log the result.

        An invalid file is logged; the store keeps its catalogue.

        Returns:
            The import; None if nothing was imported.

        Raises:
            StoreError: the store cannot be written.
        """
        signature = _signature(self._path)
        if signature == self._signature:
            return None
        self._signature = signature
        try:
            found = import_catalogue(read_catalogue(self._path), self._store)
        except ConfigurationError as error:
            _LOG.warning("catalogue not imported", error=str(error))
            return None
        if found.imported_at is None:
            return None
        log_import(found)
        return found


def log_import(found: CatalogueImport) -> None:
    """Log what an import has changed; a warning if answers about the past change."""
    counts, rewritten = found.change.counts, found.change.rewritten
    if rewritten:
        _LOG.warning("catalogue imported: it changes answers about the past", **counts, campaigns=rewritten)
    elif found.imported_at:
        _LOG.info("catalogue imported", **counts)


def _signature(path: Path) -> _Signature | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
