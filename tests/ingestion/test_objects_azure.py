"""Objects in Azure Blob Storage, of a local server: what differs from S3."""

import gzip
from collections.abc import Callable
from uuid import uuid4

import pytest
from obstore.store import AzureStore

from advertisex.ingestion.options.api import ApiOptions
from tests.ingestion.buckets import rows
from tests.ingestion.conftest import Ingested
from tests.servers.azurite import LocalAzurite

Ingest = Callable[..., Ingested]
ONCE = ApiOptions(attempts=1, retry_wait=0.01)


@pytest.fixture
def container(azurite: LocalAzurite, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in azurite.environment.items():
        monkeypatch.setenv(name, value)
    name = f"c{uuid4().hex[:12]}"
    azurite.create_container(name)
    return name


def test_objects_are_read_once_and_again_when_they_change(container: str, ingested: Ingest) -> None:
    store = AzureStore(container, client_options={"allow_http": True})
    store.put("in/a.csv", rows(1, 2))
    store.put("in/b/ü €.csv.gz", gzip.compress(rows(*range(100))))
    url = f"az://{container}/in/**/*.csv*"
    first = ingested("clicks", url)
    assert (len(first.messages), first.failures) == (102, [])
    assert ingested("clicks", url).messages == []
    store.put("in/a.csv", rows(1, 2, 3))
    assert len(ingested("clicks", url).messages) == 3
    assert len(ingested("clicks", f"az://{container}/in/a.csv").messages) == 3


def test_failures(container: str, ingested: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    def what(pattern: str) -> str:
        (error,) = ingested("clicks", f"az://{pattern}", api=ONCE).failures
        return error.what

    assert what(f"{container}/none.csv") == "no such object"
    assert what("no-such-container/") == "no such bucket (status 404, ContainerNotFound)"
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "AAAA")
    assert what(f"{container}/").startswith(("access denied", "the credentials are not valid"))
