"""The API keeps to its description, whatever is asked, by whom (schemathesis over the real server)."""

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from advertisex.web import throttle
from advertisex.web.site import Site
from tests.budget import usually
from tests.web.conftest import KNOWN, TOKENS, bearer, client_of

#: A text that is a valid string may still be no date, field or duration: what the options mean is not in their schema.
UNCHECKED = [positive_data_acceptance]


@pytest.fixture(scope="module")
def guarded(site: Site) -> Iterator[httpx.Client]:
    with pytest.MonkeyPatch.context() as patch:  # wrong tokens are tried, and must not block the others
        patch.setattr(throttle, "MOST_FAILURES", 10**9)
        patch.setattr(throttle, "MOST_IN_TOTAL", 10**9)
        with client_of(site, tokens=KNOWN) as client:
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
