"""Files of the catalogue that are imported into a store whenever their content has changed."""

from pathlib import Path

import structlog

from advertisex.catalogue.files import CatalogueFiles
from advertisex.catalogue.imports import CatalogueImport, import_catalogue
from advertisex.errors import ConfigurationError
from advertisex.stores.contract import EventStore

_LOG = structlog.get_logger(__name__)

#: Inode, size and modification time.
_Signature = tuple[int, int, int]


class WatchedCatalogue:
    """Imports files into a store when it is created, and on request when one of them has changed since.

    Args:
        files: the files; all of them are imported together.
        store: the event store.

    Raises:
        ConfigurationError: a file is invalid.
        StoreError: the store cannot be written.
    """

    def __init__(self, files: CatalogueFiles, store: EventStore) -> None:
        self._files, self._store = files, store
        self._signatures = self._found_signatures()
        self.first = self._import()

    def import_if_changed(self) -> CatalogueImport | None:
        """Import the files if one has changed since the last call, and log the result.

        An invalid file is logged; the store keeps its catalogue.

        Returns:
            The import; None if nothing was imported.

        Raises:
            StoreError: the store cannot be written.
        """
        signatures = self._found_signatures()
        if signatures == self._signatures:
            return None
        self._signatures = signatures
        try:
            found = self._import()
        except ConfigurationError as error:
            _LOG.warning("catalogue not imported", error=str(error))
            return None
        if found.imported_at is None:
            return None
        log_import(found)
        return found

    def _import(self) -> CatalogueImport:
        tables = self._files.read()
        return import_catalogue(tables.creatives, self._store, tables.campaigns)

    def _found_signatures(self) -> list[_Signature | None]:
        return [_signature(path) for path in self._files.paths]


def log_import(found: CatalogueImport) -> None:
    """Log what an import has changed; a warning if answers about the past change."""
    counts, rewritten = dict(found.change.counts), found.change.rewritten
    if not found.campaign_change.identical:
        counts |= {f"flights_{name}": number for name, number in found.campaign_change.counts.items()}
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
