"""Make the pictures of the README and of docs/dashboard.md: `python docs/screenshots.py`.

It runs the demo, serves its data, and opens pages in chromium, like the tests of the dashboard.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, ViewportSize  # noqa: E402 - the tests are beside this folder
from tests.browser import opened_browser  # noqa: E402
from tests.reporting.opened_page import DRAWN, until  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
_PROGRAM = [sys.executable, "-m", "advertisex"]


class Picture(NamedTuple):
    """A page in a window of this size."""

    name: str
    address: str
    theme: Literal["light", "dark"] = "light"
    width: int = 1_280
    height: int = 860


@contextmanager
def served(data: Path) -> Iterator[str]:
    """The address of a server of the demo's data."""
    command = [*_PROGRAM, "serve", "--json", "--port", "0", "--data", data]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield json.loads("".join(iter(server.stdout.readline, "}\n")) + "}")["dashboard"]
        finally:
            server.terminate()


def pictures(site: str) -> list[Picture]:
    """All pictures of a site."""
    with urlopen(f"{site}api/v1/rejects/list?reason=bad_timestamp&limit=1") as response:  # noqa: S310 - http
        (reject,) = json.load(response)["rejects"]
    return [
        Picture("overview", site, height=720),
        Picture("campaign", f"{site}campaign?campaign=cmp000", "dark"),
        Picture("reject", f"{site}rejects/show?id={reject['id']}", height=720),
    ]


def take(browser: Browser, picture: Picture) -> None:
    """Open a page, and photograph the top of it."""
    size = ViewportSize(width=picture.width, height=picture.height)
    page = browser.new_page(viewport=size, color_scheme=picture.theme)
    page.goto(picture.address)
    until(page, DRAWN)
    page.screenshot(path=FOLDER / f"{picture.name}.png")
    page.close()


def main() -> None:
    """Make all pictures."""
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as name:
        subprocess.run([*_PROGRAM, "demo"], cwd=name, check=True, stdout=subprocess.DEVNULL)
        with served(Path(name, "demo-data")) as site, opened_browser() as browser:
            for picture in pictures(site):
                take(browser, picture)
                sys.stdout.write(f"wrote {(FOLDER / picture.name).relative_to(ROOT)}.png\n")


if __name__ == "__main__":
    main()
