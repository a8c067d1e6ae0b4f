"""Make the README's screenshot: `python docs/screenshot.py`. It needs chromium, like the tests of pages."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import opened_browser  # noqa: E402 - the tests are beside this folder, not in the package

PICTURE = ROOT / "docs" / "funnel.png"


def main() -> None:
    """Run the demo, write the page of its funnel, and photograph the top of it."""
    with tempfile.TemporaryDirectory() as folder:
        for arguments in (["demo"], ["analyze", "funnel", "--html", "funnel.html", "--data", "demo-data"]):
            subprocess.run(
                [sys.executable, "-m", "advertisex", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL
            )
        with opened_browser() as opened:
            page = opened.new_page(viewport={"width": 1100, "height": 930}, color_scheme="light")
            page.goto((Path(folder) / "funnel.html").as_uri())
            page.wait_for_selector(".plotly .main-svg")
            page.screenshot(path=PICTURE)


if __name__ == "__main__":
    main()
