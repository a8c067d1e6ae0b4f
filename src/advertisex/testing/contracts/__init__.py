"""The contract suites: pytest classes that test a log or a store of your own. They need `advertisex[testing]`.

A suite is a base class. Your test class inherits its tests and defines one fixture, which makes what is tested.
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
from advertisex.testing.contracts.store_commits import StoreCommits
from advertisex.testing.contracts.store_duplicates import StoreDuplicates
from advertisex.testing.contracts.store_erasure import StoreErasure
from advertisex.testing.contracts.store_fixtures import NewStore, OpenStore
from advertisex.testing.contracts.store_history import StoreHistory
from advertisex.testing.contracts.store_queries import StoreQueries
from advertisex.testing.contracts.store_rejects import StoreRejects

__all__ = ["EventLogContract", "EventStoreContract", "NewStore", "OpenLog", "OpenStore"]


class EventLogContract(LogMessages, LogReaders):
    """Every test of a log.

    Define the fixture `open_log`, a function that opens the log under test. Each test may call it several times, and
    expects the same log. A topic must get a single partition.

    Attributes:
        durable: set it to False for a log that ends when it is closed; tests that open one again are then skipped.
    """


class EventStoreContract(StoreCommits, StoreDuplicates, StoreRejects, StoreQueries, StoreHistory, StoreErasure):
    """Every test of a store.

    Define the fixture `new_store`, a function that returns a new function for a new, empty store. Calling the latter
    opens that store; it takes `read_only`, and each test may call it several times.

    Attributes:
        durable: set it to False for a store that ends when it is closed; tests that open one again are then skipped.
    """
