"""The API keeps to its description, whatever is asked, by whom (schemathesis over the real server)."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import copytree

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from advertisex.logs.open import open_log
from advertisex.stores.open import open_store
from advertisex.web import throttle
from advertisex.web.site import Site
from tests.budget import usually
from tests.web.conftest import KNOWN, TOKENS, bearer, client_of

#: A text that is a valid string may still be no date, field or duration: what the options mean is not in their schema.
UNCHECKED = [positive_data_acceptance]


@pytest.fixture(scope="module")
def own(world: Path, site: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The site with data of its own: an operator changes it."""
    folder = copytree(world / ".advertisex", tmp_path_factory.mktemp("own") / "data")
    store = partial(open_store, f"duckdb:///{folder}/store.duckdb")
    log = partial(open_log, f"sqlite:///{folder}/log.db", create=False)
    return replace(site, store=partial(store, read_only=True), log=log, marks=store)


@pytest.fixture(scope="module")
def guarded(own: Site) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patch:  # wrong tokens are tried, and must not block the others
        patch.setattr(throttle, "MOST_FAILURES", 10**9)
        patch.setattr(throttle, "MOST_IN_TOTAL", 10**9)
        with client_of(own, tokens=KNOWN) as client:
            yield client


@pytest.mark.parametrize("visitor", ["nobody", *TOKENS])
def test_nothing_is_found(guarded: httpx.Client, visitor: str) -> None:
    address, headers = str(guarded.base_url).rstrip("/"), bearer(visitor)
    description = guarded.get("/api/v1/openapi.json", headers=bearer("viewer")).json()
    for found in schemathesis.openapi.from_dict(description).get_all_operations():
        operation = found.ok()

        @seed(0)
        @settings(max_examples=usually(3, thorough=50), suppress_health_check=list(HealthCheck), database=None)
        @given(operation.as_strategy())
        def check(case: schemathesis.Case) -> None:
            response = case.call(base_url=address, headers=headers, timeout=60)
            case.validate_response(response, excluded_checks=UNCHECKED, headers=headers)
            assert response.status_code < 500

        check()
