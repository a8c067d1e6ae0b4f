"""A store with simulated events, and some with hostile texts, served by the dashboard."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from advertisex.logs.open import open_log
from advertisex.settings.load import load_settings
from advertisex.settings.model import Settings
from advertisex.settings.web import Role, WebSettings
from advertisex.simulator import SimulationSettings, write_files
from advertisex.stores.open import open_store
from advertisex.web.server import serving
from advertisex.web.site import Site
from advertisex.web.tokens import hash_of, new_token
from advertisex.web.uploads import Uploads
from tests.reporting.conftest import EVIL
from tests.warm import program

SIMULATED = {"impressions": "impressions.ndjson", "clicks": "clicks.csv", "bids": "bids.avro"}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings, and events in its data folder."""
    folder = tmp_path_factory.mktemp("site")
    write_files(folder, SimulationSettings(events=3_000))
    rows = [
        {"user_id": f"u{number}", "campaign_id": text, "timestamp": "2026-01-08T10:00:00Z", "conversion": "click"}
        for number, text in enumerate(EVIL)
        if text is not None
    ]
    (folder / "hostile.json").write_text(json.dumps(rows))
    (folder / "rejected.json").write_text(json.dumps([row | {"timestamp": row["campaign_id"]} for row in rows]))
    for feed, file in [*SIMULATED.items(), ("clicks", "hostile.json"), ("clicks", "rejected.json")]:
        subprocess.run([program(), "ingest", feed, file], cwd=folder, check=True, capture_output=True)
    subprocess.run([program(), "process"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def settings(world: Path) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(world)
        return load_settings(None, {"data": world / ".advertisex"})


@pytest.fixture(scope="session")
def site(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(
        settings,
        partial(open_store, settings.store_url, read_only=True),
        partial(open_log, settings.log_url, create=False),
        Uploads(tmp_path_factory.mktemp("uploads")),
        partial(open_store, settings.store_url),
    )


@contextmanager
def client_of(site: Site, **web: Any) -> Iterator[httpx.Client]:
    """A client of a real server with these settings."""
    with serving(site, WebSettings(port=0, **web)) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client


#: A token of each role, and the settings that let them in.
TOKENS: dict[str, str] = {role: new_token() for role in get_args(Role)}
KNOWN = [{"name": f"{role}-1", "role": role, "hash": hash_of(token)} for role, token in TOKENS.items()]


def bearer(role: str) -> dict[str, str]:
    """The headers of a visitor: with the token of a role, or without one."""
    return {"Authorization": f"Bearer {TOKENS[role]}"} if role in TOKENS else {}


class Failing:
    """Opens a store that cannot be opened."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self) -> AbstractContextManager[Any]:
        raise self.error


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with client_of(site) as client:
        yield client


@pytest.fixture(scope="session")
def address(site: Site) -> Iterator[str]:
    """The address of a real server."""
    with serving(site, WebSettings(port=0)) as address:
        yield address
