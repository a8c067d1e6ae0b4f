"""Which user agents are of known crawlers: the list of the package crawler-user-agents, of patterns for their names.

A crawler that says what it is can be told by its name alone; one that pretends to be a browser cannot. The patterns
are matched by Polars, whose time grows with the length of the text only, whatever somebody sends as a user agent.
"""

from importlib.metadata import version

import polars as pl

#: The list, as an answer names it.
PACKAGE = "crawler-user-agents"

#: So many patterns are matched at once: fewer or more are slower.
_AT_ONCE = 25


def crawlers(user_agents: pl.Series) -> pl.Series:
    """Which of these user agents (String) are a known crawler's (Boolean); null is none."""
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # noqa: PLC0415 - half a megabyte, and only this needs it

    patterns = [f"(?:{crawler['pattern']})" for crawler in CRAWLER_USER_AGENTS_DATA]
    found = pl.Series(user_agents.name, [False]).new_from_index(0, len(user_agents))
    for start in range(0, len(patterns), _AT_ONCE):
        matches = user_agents.str.contains("|".join(patterns[start : start + _AT_ONCE]))
        found |= matches.fill_null(value=False)
    return found


def list_version() -> str:
    """The version of the list."""
    return version(PACKAGE)
