"""Known crawlers, by their user agent."""

from importlib.metadata import version

import polars as pl

#: The list of crawlers, as named in answers.
PACKAGE = "crawler-user-agents"

#: Number of patterns in one combined regex: fewer or more are slower.
_CHUNK = 25


def crawlers(user_agents: pl.Series) -> pl.Series:
    """Return whether each user agent (String) belongs to a known crawler (Boolean); false for null.

    The patterns of crawler-user-agents find crawlers that identify themselves, not those that pretend to be a browser.
    Any user agent is safe to match: the Polars regex engine runs in time linear in the length of the text.
    """
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # noqa: PLC0415 - half a megabyte, needed only here

    patterns = [f"(?:{crawler['pattern']})" for crawler in CRAWLER_USER_AGENTS_DATA]
    found = pl.Series(user_agents.name, [False]).new_from_index(0, len(user_agents))
    for start in range(0, len(patterns), _CHUNK):
        matches = user_agents.str.contains("|".join(patterns[start : start + _CHUNK]))
        found |= matches.fill_null(value=False)
    return found


def list_version() -> str:
    """Return the installed version of the list."""
    return version(PACKAGE)
