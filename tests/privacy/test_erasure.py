"""What `erase` rejects before it writes anything, and what it does with conflicts."""

import json

import pytest

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.model import Counts
from advertisex.privacy.erasure import erase
from advertisex.privacy.record import Removed
from advertisex.processing.runner import Processing, process_log
from advertisex.stores.contract import ERASURES, RejectQuery
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


CLICK = {"timestamp": "2026-01-05T10:00:00Z", "campaign_id": "k1", "conversion_type": "click"}


def click(user: str, **fields: str) -> bytes:
    return json.dumps({"user_id": user, **CLICK, **fields}).encode()


@pytest.mark.parametrize("user", ["u1", " u1 "])
@pytest.mark.parametrize("key", [b"", b"a secret of the settings"])
def test_conflicts_are_erased_with_their_user_and_the_ledger_balances(user: str, key: bytes) -> None:
    with memory_log() as log, memory_store() as store:
        theirs = [click(" u1 ", app="a"), click("u1", app="b"), click("u1\t"), click("u1", clicks="x"), b"u1 {"]
        others = [click("u2", app="a"), click("u2", app="b")]
        log.append(FEEDS["clicks"].topic, theirs + others)
        process_log(log, store, Processing(batch_size=2, pseudonym_key=key))
        before = store.ledger()[0].counts
        assert before == Counts(read=7, stored=2, duplicate=3, rejected=2, conflict=2)

        run = erase(user, log, store, pseudonym_key=key)

        removed = next(one for one in run.removed if one.feed == "clicks")
        assert removed == Removed("clicks", events=1, rejected=2, conflicts=1, messages=5)
        after = store.ledger()[0].counts
        # the duplicate that agreed is counted still: nothing of it was kept
        assert after == Counts(read=7, stored=1, duplicate=2, erased=4, conflict=1)
        assert after.balanced
        assert store.rejects(RejectQuery())["payload"].to_list() == [others[1]]
        (stored,) = store.notes(ERASURES).values()
        assert b'"conflicts":1' in stored


def test_a_conflict_of_another_user_does_not_name_the_erased_one() -> None:
    """An order id as the identity, and the same order sent for two users."""
    feeds = FEEDS | {"clicks": FEEDS["clicks"].identified_by(["transaction_id"])}
    with memory_log() as log, memory_store() as store:
        log.append(FEEDS["clicks"].topic, [click("secret", order_id="1"), click("u2", order_id="1", app="a")])
        process_log(log, store, Processing(feeds))
        erase("secret", log, store, feeds)

        (conflict,) = store.rejects(RejectQuery()).iter_rows(named=True)
        assert conflict["kind"] == "conflict"
        assert conflict["detail"].startswith("user_id: differs from that of the stored event; app: ")
        assert "secret" not in str(conflict)
