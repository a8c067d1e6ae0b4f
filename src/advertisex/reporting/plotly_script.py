"""The script that draws the figures: Plotly's, from its wheel. It has only the whole of it, about five megabytes."""

import re
from functools import cache
from pathlib import Path

from plotly.offline import get_plotlyjs, get_plotlyjs_version

from advertisex.reporting.answer_file import write_file


def file_name() -> str:
    """The name of its file beside a page; another version has another name."""
    return f"plotly-{get_plotlyjs_version()}.min.js"


def text() -> str:
    """The script."""
    return str(get_plotlyjs())


@cache
def style_ids() -> list[str]:
    """The ids of the styles that the script adds when it loads, unless the page has an element with that id.

    They are those of maps, which we do not draw, and a policy without inline styles forbids them.
    """
    return sorted(set(re.findall(r'getElementById\("([0-9a-f]{64})"\)', text())))


def write_beside(page: Path) -> Path | None:
    """Write the script to the folder of a page, unless it is there.

    Returns:
        The file; None if it was there.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    file, script = page.with_name(file_name()), text().encode()
    if file.is_file() and file.stat().st_size == len(script) and file.read_bytes() == script:
        return None
    write_file(file, [script], "script of the page")
    return file
