"""`advertisex init`: write a settings file for the user's own sources, after a look at each of them."""

import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from advertisex.catalogue.files import CatalogueFiles
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    place_of,
    settings_of,
)
from advertisex.cli.output import err, out, plain, print_json, say
from advertisex.errors import ConfigurationError, SourceError
from advertisex.feeds import FEEDS
from advertisex.files.faults import fault_of
from advertisex.files.making import make
from advertisex.ingestion.mapping import FieldMapping
from advertisex.ingestion.options.api import ApiOptions
from advertisex.ingestion.options.ingest import IngestOptions
from advertisex.ingestion.sources import redacted
from advertisex.inspection.doctor import findings
from advertisex.model import Finding
from advertisex.previewing import Preview, preview
from advertisex.questions.pairs import parse_pairs
from advertisex.reporting.cells import visible
from advertisex.settings.secrets import is_reference, resolved
from advertisex.settings.starter import StarterSource, starter_file

_FILE, _DATA = Path("advertisex.toml"), Path(".advertisex")
_ASKED = {
    "impressions": "Impressions: a file, folder, glob or URL (empty: none)",
    "clicks": "Clicks and conversions: a file, folder, glob or URL (empty: none)",
    "bids": "Bid requests: a file, folder, glob or URL (empty: none)",
}


def init(
    impressions: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE", help="Impressions: a file, folder, glob or URL; repeatable, as the next two."),
    ] = None,
    clicks: Annotated[
        list[str] | None, typer.Option(metavar="SOURCE", help="Clicks and conversions, likewise.")
    ] = None,
    bids: Annotated[list[str] | None, typer.Option(metavar="SOURCE", help="Bid requests.")] = None,
    catalogue: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="CSV file of creatives, or of campaigns; repeatable."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="COLUMN=FIELD", help="Read a column as a field, in the sources that have it."),
    ] = None,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Look at your sources, and write a settings file for them.

    Without a source, it asks for them.
    """
    file, data = config or _FILE, data or _DATA
    if file.exists():
        raise ConfigurationError(
            "the settings file exists", where=str(file), hint="edit it, or write another one with --config FILE"
        )
    for url in filter(None, (log, store)):
        _check_no_secret(url)
    given = {"impressions": impressions or [], "clicks": clicks or [], "bids": bids or []}
    asks = not any(given.values())
    if asks:
        given, catalogue = _ask(catalogue)
    CatalogueFiles(catalogue or ()).read()
    renames = parse_pairs(columns, "--map")
    looked_at = [_looked_at(one, renames, asks=asks) for one in _named(given)]
    _check_used(renames, looked_at)
    sources = [replace(source, source=_from(file, source.source)) for source, _ in looked_at]
    known = [_from(file, str(path)) for path in catalogue or ()]
    _write(file, starter_file(str(data), sources, catalogue=known, log=log, store=store))
    is_new = not data.exists()  # then the embedded log is missing, too
    found = findings(lambda: place_of(settings_of(file)))
    bad = [one for one in found if not (one.good or (is_new and one.what == "log"))]
    if as_json:
        print_json(_document(file, looked_at, bad))
    else:
        _print(file, looked_at, bad)
    if bad:
        raise typer.Exit(1)


def _ask(catalogue: list[Path] | None) -> tuple[dict[str, list[str]], list[Path] | None]:
    """Ask for the source of each feed, and for the catalogue.

    Raises:
        ConfigurationError: stdin is not a terminal, or no source is named.
    """
    hint = "name one, for example: advertisex init --clicks 'exports/*.csv'"
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigurationError("no source is given, and stdin is not a terminal", hint=hint)
    given = {feed: [answer] if (answer := _answer(question)) else [] for feed, question in _ASKED.items()}
    if not any(given.values()):
        raise ConfigurationError("no source is given", hint=hint)
    if not catalogue and (answer := _answer("Catalogue of creatives and campaigns: a CSV file (empty: none)")):
        catalogue = [Path(answer)]
    return given, catalogue


def _answer(question: str) -> str:
    try:
        answer = str(typer.prompt(question, default="", show_default=False, err=True)).strip()
    except typer.Abort:  # interrupt or end of input
        raise KeyboardInterrupt from None
    return str(Path(answer).expanduser()) if answer.startswith("~") else answer


def _named(given: Mapping[str, Sequence[str]]) -> Iterator[StarterSource]:
    """Yield the sources with names: that of the feed, and a number for further ones."""
    for feed, sources in given.items():
        for number, source in enumerate(sources, start=1):
            _check_address(source)
            yield StarterSource(feed if number == 1 else f"{feed}-{number}", feed, source)


def _check_address(source: str) -> None:
    """Reject what cannot be a source of the settings, and a URL with a secret in it: it would be written to the file.

    Raises:
        ConfigurationError: it is one of these.
    """
    hint = "name a file, folder, glob or URL, or env:NAME for a URL in a variable"
    if source.strip() in {"", "-"}:
        raise ConfigurationError("standard input cannot be a source of the settings", hint=hint)
    if is_reference(source):
        if "://" not in resolved(source):
            raise ConfigurationError("the reference is not one to a URL", where=source, hint=hint)
        return
    _check_no_secret(source, user_is_secret=True)


def _check_no_secret(url: str, *, user_is_secret: bool = False) -> None:
    if "://" not in url or is_reference(url):
        return
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigurationError("a URL is not valid", hint="check its host and port") from error
    if parts.password or (user_is_secret and parts.username) or "***" in redacted(url):
        raise ConfigurationError(
            "the URL contains a secret, which would be written to the settings file",
            where=redacted(url),
            hint="set a variable to the URL, and give env:NAME",
        )


def _from(file: Path, path: str) -> str:
    """The path as the settings file names it: relative to its folder."""
    if "://" in path or is_reference(path) or Path(path).is_absolute():
        return path
    return os.path.relpath(path, file.parent)


def _check_used(renames: Mapping[str, str], looked_at: Sequence[tuple[StarterSource, Preview]]) -> None:
    """Reject a column of --map that no source has."""
    unused = set(renames) - {column for source, _ in looked_at for column in source.columns}
    for column in sorted(unused):
        known = dict.fromkeys(name for _, seen in looked_at for name in seen.found.columns.fields)
        raise ConfigurationError(
            f"no source has the column {column!r}", where="--map", hint=f"the columns are {', '.join(known)}"
        )


def _looked_at(one: StarterSource, renames: Mapping[str, str], *, asks: bool) -> tuple[StarterSource, Preview]:
    """Preview a source; return it with the columns that are renamed, and the preview.

    Raises:
        SourceError: it cannot be read, it is a report, or required fields are missing.
    """
    seen = _previewed(one, {})
    columns = {column: name for column, name in renames.items() if column in seen.found.columns.fields}
    if columns:
        seen = _previewed(one, columns)
    while asks and (missing := seen.found.columns.missing):
        unused = [column for column, name in seen.found.columns.fields.items() if name is None]
        err.print(plain(f"{one.name}: no column is known as {missing[0]}. Columns: {', '.join(unused) or 'none'}"))
        if not (column := _answer(f"Which column is {missing[0]} (empty: give up)?")):
            break
        if column in seen.found.columns.fields:
            columns[column] = missing[0]
            seen = _previewed(one, columns)
    _check_usable(seen)
    return replace(one, columns=columns), seen


def _previewed(one: StarterSource, columns: Mapping[str, str]) -> Preview:
    options = IngestOptions(mapping=FieldMapping(rename=dict(columns)), api=ApiOptions(attempts=1))
    seen = preview(FEEDS[one.feed], resolved(one.source), options)
    if seen.failure is not None:
        raise seen.failure
    return seen


def _check_usable(seen: Preview) -> None:
    again = f"see advertisex preview {seen.feed} SOURCE"
    if seen.measures:
        raise SourceError("this is an aggregated report, not events", where=seen.source, hint=again)
    if missing := seen.found.columns.missing:
        columns = ", ".join(seen.found.columns.fields)
        raise SourceError(
            f"no column for the required field{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            where=seen.source,
            hint=f"name it with --map COLUMN=FIELD; the columns are {columns}",
        )


def _summary(seen: Preview) -> str:
    kinds = Counter[str]()
    for (kind, _), number in seen.results.items():
        kinds[kind] += number
    if not kinds:
        return f"{seen.found.reading.format or 'empty'}, no records yet"
    text = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())
    reasons = sorted({reason for (_, reason), _ in seen.results.items() if reason})
    why = f" ({', '.join(reasons)})" if reasons else ""
    first = "" if seen.found.complete else "of the beginning, "
    others = f"; {len(seen.others):,} more files" if seen.others else ""
    return visible(f"{seen.found.reading.format}; {first}{text}{why}{others}")


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _write(file: Path, text: str) -> None:
    try:
        make(file, partial(_write_text, text))
    except OSError as error:
        what, hint = fault_of(error, file)
        raise ConfigurationError(f"cannot write the settings file: {what}", where=str(file), hint=hint) from error


def _print(file: Path, looked_at: Sequence[tuple[StarterSource, Preview]], bad: Sequence[Finding]) -> None:
    for source, seen in looked_at:
        say(f"{source.name}: {_summary(seen)}")
    say(f"Wrote {file}.")
    for finding in bad:
        say(f"{finding.what}: {finding.detail}; {finding.hint}")
    if bad:
        return
    config = "" if file == _FILE else f" --config {shlex.quote(str(file))}"
    named = " ".join(f"--source {source.name}" for source, _ in looked_at)
    say("The settings are valid. Next, read everything once:")
    out.print(plain(f"  advertisex ingest {named}{config} && advertisex process{config}"), soft_wrap=True)
    say("or keep reading, with:")
    out.print(plain(f"  advertisex run{config}"), soft_wrap=True)


def _document(file: Path, looked_at: Sequence[tuple[StarterSource, Preview]], bad: Sequence[Finding]) -> dict[str, Any]:
    sources = [
        {
            "name": source.name,
            "feed": source.feed,
            "format": seen.found.reading.format or None,
            "map": dict(source.columns),
            "complete": seen.found.complete,
            "results": [
                {"kind": kind, "reason": reason or None, "messages": number}
                for (kind, reason), number in seen.results.items()
            ],
        }
        for source, seen in looked_at
    ]
    return {"file": str(file), "sources": sources, "findings": [asdict(finding) for finding in bad]}
