"""The contract suites: pytest classes that test your own log or store. They need `advertisex[testing]`.

A suite is a base class. Your test class inherits its tests and defines one fixture, which opens the log or store.
"""

from pkgutil import iter_modules

try:
    import hypothesis  # noqa: F401
    import pytest
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"the contract suites need {error.name}: pip install 'advertisex[testing]'", name=error.name
    ) from None

# ruff: noqa: E402 - pytest rewrites the assertions only of modules that are imported after this
pytest.register_assert_rewrite(*(f"{__name__}.{module.name}" for module in iter_modules(__path__)))

from advertisex.testing.contracts.log_fixtures import OpenLog
from advertisex.testing.contracts.log_messages import LogMessages
from advertisex.testing.contracts.log_readers import LogReaders
from advertisex.testing.contracts.log_retention import LogRetention
from advertisex.testing.contracts.log_sources import LogSources
from advertisex.testing.contracts.store_catalogue import StoreCatalogue
from advertisex.testing.contracts.store_commits import StoreCommits
from advertisex.testing.contracts.store_conflicts import StoreConflicts
from advertisex.testing.contracts.store_counts import StoreCounts
from advertisex.testing.contracts.store_duplicates import StoreDuplicates
from advertisex.testing.contracts.store_erasure import StoreErasure
from advertisex.testing.contracts.store_fields import StoreFields
from advertisex.testing.contracts.store_fixtures import NewStore, OpenStore
from advertisex.testing.contracts.store_history import StoreHistory
from advertisex.testing.contracts.store_queries import StoreQueries
from advertisex.testing.contracts.store_rejects import StoreRejects
from advertisex.testing.contracts.store_retention import StoreRetention

__all__ = ["EventLogContract", "EventStoreContract", "NewStore", "OpenLog", "OpenStore"]


class EventLogContract(LogMessages, LogReaders, LogRetention, LogSources):
    """Every test of a log.

    Define the fixture `open_log`, a function that opens the log under test. A test may call it several times, and
    expects the same log every time. A new topic must have a single partition. For a log that is not `prunable`, define
    the fixture `remove_below` too.

    Attributes:
        durable: set it to False if closing the log discards its contents; tests that reopen it are then skipped.
    """


class EventStoreContract(
    StoreCommits,
    StoreDuplicates,
    StoreConflicts,
    StoreRejects,
    StoreQueries,
    StoreCounts,
    StoreFields,
    StoreHistory,
    StoreCatalogue,
    StoreErasure,
    StoreRetention,
):
    """Every test of a store.

    Define the fixture `new_store`. It is a function that prepares a new, empty store and returns a function that opens
    it. The returned function takes `read_only`; a test may call it several times, and expects the same store.

    Attributes:
        durable: set it to False if closing the store discards its contents; tests that reopen it are then skipped.
    """
