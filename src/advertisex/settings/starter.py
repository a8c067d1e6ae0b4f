"""A first settings file, with comments."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_HEAD = """\
# Settings of AdvertiseX. All of them, with their defaults: docs/settings.md
# A secret is never written here: "env:NAME" takes it from a variable, "file:PATH" from a file.

# Folder of the event log and the event store.
data = {data}
"""
_CATALOGUE = """
# The campaigns and advertisers of creatives, and what is booked for campaigns. Without it, impressions and bids have
# no campaign.
{catalogue}
"""
_SOURCE = """
[[sources]]
name = {name}  # for `advertisex ingest --source`
feed = {feed}
source = {source}
{more}"""
_TAIL = """
# Valid events that do not count. They are kept as rejects.
# [policy]
# blocked_users = ["u-test"]
# blocked_sites = ["staging.example.com"]

# How long processed messages and stored events are kept. By default, forever.
{log}
# keep_days = 90
{store}
# keep_days = 400

# Where alerts are sent, as apprise URLs; try them with `advertisex alerts test`.
# [alerts]
# channels = ["env:ALERT_CHANNEL"]
"""


@dataclass(frozen=True, slots=True)
class StarterSource:
    """A source of the settings file.

    Attributes:
        name: its name.
        feed: feed of its records.
        source: a file, folder, glob or URL, or a reference to one.
        columns: which columns are read as which fields.
    """

    name: str
    feed: str
    source: str
    columns: Mapping[str, str] = field(default_factory=dict)


def starter_file(
    data: str,
    sources: Sequence[StarterSource],
    *,
    catalogue: Sequence[str] = (),
    log: str | None = None,
    store: str | None = None,
) -> str:
    """Return the text of a settings file.

    Args:
        data: the data folder.
        sources: the sources.
        catalogue: files of the catalogue, if there are any.
        log: URL of the log, if it is not in the data folder.
        store: URL of the store, likewise.
    """
    files = ", ".join(map(_text, catalogue))
    given = f"[{files}]" if len(catalogue) > 1 else files
    chosen = f"catalogue = {given}" if given else '# catalogue = ["creatives.csv", "campaigns.csv"]'
    parts = [_HEAD.format(data=_text(data)), _CATALOGUE.format(catalogue=chosen)]
    for one in sources:
        columns = ", ".join(f"{_text(column)} = {_text(name)}" for column, name in one.columns.items())
        more = f"map = {{ {columns} }}  # column = field\n" if columns else ""
        if "://" in one.source:
            more += "every = 60  # seconds between two requests, with `advertisex run`\n"
        parts.append(_SOURCE.format(name=_text(one.name), feed=_text(one.feed), source=_text(one.source), more=more))
    return "".join([*parts, _TAIL.format(log=_table("log", log), store=_table("store", store))])


def _table(name: str, url: str | None) -> str:
    return f"# [{name}]" if url is None else f"[{name}]\nurl = {_text(url)}"


def _text(value: str) -> str:
    """A basic string of TOML; the escapes of JSON are a subset of its own."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
