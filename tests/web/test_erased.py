"""A link to an answer gives the same numbers until a user is erased; then it says so."""

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import httpx

from tests.warm import program
from tests.web.test_live import served


def test_an_answer_as_of_a_time_before_an_erasure_says_so(world: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(world, tmp_path / "world"))
    with served(folder) as address, httpx.Client(base_url=address, timeout=60) as client:
        (share,) = re.findall(r'<a href="([^"]+)">Link to this answer', client.get("/summary").text)
        before = client.get(unescape(share)).text
        (user,) = {row["user_id"] for row in client.get("/api/v1/analyze/events?of=clicks&limit=1").json()["rows"]}
        erased = subprocess.run(
            [program(), "erase", user, "--yes"], cwd=folder, check=True, capture_output=True, text=True
        )
        after = client.get(unescape(share)).text

        assert "erased after" not in before
        assert re.search(r"\d events? (was|were) erased after 20", after), erased.stdout
        assert "erased after" not in client.get("/summary").text
