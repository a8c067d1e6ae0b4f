import os
from collections.abc import Callable
from pathlib import Path

import pytest

pytest_plugins = ["tests.servers.fixtures"]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """The folder of one set of real inputs; they live beside the repository, not in it."""

    def folder(name: str) -> Path:
        path = SHARED / name
        if path.exists():
            return path
        missing = f"real inputs are missing: {path.name} is not in ../shared/data"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)

    return folder
