"""What `erase` rejects before it writes anything."""

import pytest

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.model import Counts
from advertisex.privacy.erasure import erase
from advertisex.processing.runner import process_log
from advertisex.stores.contract import ERASURES
from advertisex.testing import memory_log, memory_store


@pytest.mark.parametrize("user", ["", "  ", "u\n1"])
def test_an_id_that_no_user_has_erases_nothing(user: str) -> None:
    with memory_log() as log, memory_store() as store:
        log.append(FEEDS["clicks"].topic, [b'{"user_id": "", "timestamp": "2026-01-05T10:00:00Z"}'])
        counts = process_log(log, store)

        with pytest.raises(ConfigurationError, match="invalid user id"):
            erase(user, log, store)

        assert counts == Counts(read=1, rejected=1) == store.ledger()[0].counts
        assert store.notes(ERASURES) == {}
