"""Generate the parts of the guide that come from the code: `python docs/generate.py`.

The text between `<!-- generated: NAME -->` and `<!-- end -->` is rewritten; the rest of a page is left alone.
`tests/docs` checks that every page is up to date.
"""

import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import duckdb
import polars as pl
from pydantic import BaseModel, ByteSize, SecretStr
from pydantic.fields import FieldInfo

import advertisex
from advertisex.cli import ingest, process
from advertisex.codecs.bid_fields import EACH, OPENRTB, OPENRTB_TARGETING
from advertisex.feeds import FEEDS, Feed, TimeReading
from advertisex.feeds.rules import PLACEHOLDERS
from advertisex.feeds.words import MISSING
from advertisex.inspection.definitions import Defined, all_definitions
from advertisex.limits import Limit
from advertisex.processing import decode as decoding
from advertisex.processing import policy
from advertisex.processing.decode import decode
from advertisex.processing.standardise import standardise
from advertisex.processing.timestamps import read_timestamps
from advertisex.processing.validate import validate
from advertisex.processing.websites import host_of, registered_domain
from advertisex.reporting.cells import duration_text
from advertisex.settings.alerts import RuleSettings
from advertisex.settings.durations import Wait
from advertisex.settings.model import FeedSettings, Settings
from advertisex.settings.reports import ReportSettings
from advertisex.settings.secrets import SecretText
from advertisex.stores.duckdb.schema import statements

PAGES = Path(__file__).parent
_BLOCK = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)

_KINDS = {"time": "time", "count": "whole number", "amount": "decimal number", "flag": "true or false"}

_TIMESTAMPS = (
    ("2026-01-05T09:00:00Z", "RFC 3339"),
    ("2026-01-05T10:00:00.25+01:00", "RFC 3339 with a fraction and an offset"),
    ("2026-01-05 09:00:00", "naive: read in `times.zone`, by default UTC"),
    ("2026-01-05 09:00:00 UTC", "also ` GMT`, but no other name of a zone"),
    ("2026-01-05 09:00:00 Z", ""),
    ("2016-12-31T23:59:60Z", "leap second: read as the next second"),
    ("2026-01-05T09:00:00.1234567Z", "digits beyond microseconds are dropped"),
    ("1767603600", "epoch, seconds: below 10¹¹"),
    ("1767603600.25", ""),
    ("1767603600250", "epoch, milliseconds: below 10¹⁴"),
    ("1767603600250000", "epoch, microseconds: below 10¹⁷"),
    ("1767603600250000000", "epoch, nanoseconds"),
    ("2026-01-05", "a date alone needs a format: `times.formats` or `--time-format`"),
    ("05/01/2026 09:00", "also needs a format"),
    ("1.7676E+12", "a spreadsheet has dropped its last digits"),
    ("yesterday", ""),
)
#: The parts of docs/limits.md, and the modules whose bounds each has.
_LIMITED = {
    "CSV": r"ingestion\.csv",
    "JSON": r"ingestion\.json|codecs\.json",
    "Avro": r"ingestion\.avro|codecs\.avro",
    "Parquet, Excel and archives": r"ingestion\.(?:parquet|excel|zip)",
    "HTTP APIs": r"ingestion\.api",
    "Any input": r"ingestion|codecs\.unreadable|logs",
    "Events": r"feeds|processing|codecs\.bid_fields|stores|(?<=advertisex\.)rejects",
    "Catalogue": r"catalogue|cli\.catalogue",
    "Answers, tables and pages": r"analysis|cli|inspection|reporting",
    "Monitoring and settings": r"monitoring|settings",
    "The HTTP server and its clients": r"web|connection",
}
_WEBSITES = (
    "https://news.example.com/front?id=1",
    "HTTP://Example.COM:8080/",
    "shop.example.co.uk",
    "example.com:8080",
    "https://bücher.example/",
    "http://192.0.2.7/",
    "localhost",
    "example.com/path",
    "ftp://example.com/",
    "https://user:secret@example.com/",
    "https://",
    "not a site",
    "https://xn--/",
    "{{PAGE_URL}}",
)
_CLICK_ROWS: tuple[dict[str, str], ...] = (
    {"conversion_type": "click"},
    {"conversion_type": "signup"},
    {"conversion_type": "purchase"},
    {"conversion_type": "0"},
    {"conversion_type": "false"},
    {"conversion_type": "1"},
    {"conversion_type": "true"},
    {"clicks": "3", "conversions": "1"},
    {"conversion_type": "click", "clicks": "5"},
    {"conversion_type": "purchase", "clicks": "1"},
    {"conversion_type": "refund", "value": "-19.90"},
)
_AMOUNTS = (
    ("8977679486.31", ""),
    ("12.50", "the same amount as `12.5`"),
    ("1.5e-7", ""),
    ("0.0000000000005", "rounded half to even at 12 decimal places"),
    ("0.0000000000015", ""),
    ("999999999999999999.999999999999", ""),
    ("1e19", "more than 10¹⁸"),
    ("-1", "in a refund, `-1`"),
    ("1.234", "a point is always a decimal point in an amount"),
    ("1,5", "a comma is not a decimal point"),
    ("5 EUR", "the currency is a field of its own"),
    ("NaN", "a missing value"),
    ("Infinity", ""),
)
_COUNTS = (
    ("7", ""),
    ("12.00", "a whole number"),
    ("1.234", "1234 or 1.234"),
    ("1,000", ""),
    ("2.5", ""),
    ("1E3", ""),
)
_CURRENCIES = ("EUR", "eur", "Usd", "Points")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def code(text: object) -> str:
    """Inline code in Markdown."""
    return f"`{text}`"


def feed_section(name: str) -> str:
    """Fields, rules and identity of one feed."""
    feed = FEEDS[name]
    fields = (
        (
            code(f.name),
            _KINDS.get(f.kind, "text"),
            "yes" if f.required else "no",
            ", ".join(map(code, f.aliases)),
            f.description,
        )
        for f in feed.fields
    )
    derived = ((code(column), description) for column, _, description in feed.derived)
    identity = ", ".join(code("timestamp" if column == "event_time" else column) for column in feed.identity)
    return (
        f"Topic {code(feed.topic)}; table {code(feed.name)}, {feed.description}.\n\n"
        + table(("field", "type", "required", "also read as", "description"), fields)
        + (("\nAdded by processing:\n\n" + table(("column", "description"), derived)) if feed.derived else "")
        + f"\nIdentity: {identity}.\n\nRules, in the order in which they are checked; the first violation is the "
        "reason:\n\n" + table(("reason", "field", "expected"), _rules(feed))
    )


def _rules(feed: Feed) -> Iterator[tuple[str, str, str]]:
    """The rules in order; consecutive rules with the same code and text share a line."""
    lines: list[tuple[str, list[str], str]] = []
    for rule in feed.rules:
        if lines and (lines[-1][0], lines[-1][2]) == (rule.code, rule.requirement):
            lines[-1][1].append(rule.field)
        else:
            lines.append((rule.code, [rule.field], rule.requirement))
    for reason, fields, description in lines:
        yield code(reason), ", ".join(map(code, fields)), description


def limits() -> str:
    """Every bound, by the kind of input or output that its module is about."""
    groups: dict[str, list[tuple[str, str, str]]] = {title: [] for title in _LIMITED}
    for module in pkgutil.walk_packages(advertisex.__path__, "advertisex."):
        for limit in _limits_in(module.name):
            group = next(title for title, parts in _LIMITED.items() if re.search(rf"\.(?:{parts})", module.name))
            groups[group].append((limit.of, _size(limit), limit.beyond))
    return "\n".join(
        f"### {title}\n\n" + table(("of", "at most", "beyond"), sorted(rows, key=_without_article))
        for title, rows in groups.items()
    )


def _limits_in(module: str) -> Iterator[Limit]:
    """The bounds that a module defines, not those that it imports."""
    if module.endswith("__main__"):
        return
    found = importlib.import_module(module)
    source = inspect.getsource(found)
    for name, each in vars(found).items():
        if isinstance(each, Limit) and re.search(rf"^{name}\b.* = Limit\(", source, re.MULTILINE):
            yield each


def _without_article(row: tuple[str, str, str]) -> tuple[str, str, str]:
    return (re.sub("^(?:a|an|the|one) ", "", row[0]).lower(), *row[1:])


def _size(limit: Limit) -> str:
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if limit.unit == "bytes" and limit >= 1 << shift and limit % (1 << shift) == 0:
            return f"{limit >> shift:,} {unit}"
    return f"{int(limit):,} {limit.unit}"


def definitions(of: Defined) -> str:
    """The definitions of the numbers of a question, or of the ledger."""
    return table(of.columns, of.rows)


def decode_reasons() -> str:
    """Why decoding rejects a message."""
    return table(("reason", "when"), ((code(reason), description) for reason, description in decoding.REASONS.items()))


def filters() -> str:
    """What the policy filters."""
    rows = ((code(reason), code(f.field), f.description, code(f.setting)) for reason, f in policy.REASONS.items())
    return table(("reason", "field", "when", "setting"), rows)


def placeholders() -> str:
    """The texts that are not accepted as a user id."""
    return ", ".join(map(code, PLACEHOLDERS)) + "\n"


def missing() -> str:
    """The texts of a missing value."""
    return ", ".join(map(code, filter(None, MISSING))) + "\n"


def timestamps() -> str:
    """Examples of timestamps, parsed by the code."""
    read = read_timestamps(pl.Series([text for text, _ in _TIMESTAMPS]), TimeReading())
    rows = ((code(text), _instant(time), note) for (text, note), time in zip(_TIMESTAMPS, read, strict=True))
    return table(("timestamp", "read as (UTC)", "note"), rows)


def _instant(time: datetime | None) -> str:
    return "`bad_timestamp`" if time is None else time.isoformat(sep=" ")


def websites() -> str:
    """Examples of websites, parsed by the code."""
    hosts = ((site, host_of(site)) for site in _WEBSITES)
    rows = (
        (code(site), code(host) if host else "`bad_website`", code(registered_domain(host)) if host else "")
        for site, host in hosts
    )
    return table(("website", "host", "`domain`"), rows)


def click_rows() -> str:
    """Examples of rows of the clicks feed, counted by the code."""
    feed = FEEDS["clicks"]
    given = [{f.name: row.get(f.name) for f in feed.fields} for row in _CLICK_ROWS]
    frame = pl.DataFrame(given, schema={f.name: pl.String for f in feed.fields})
    counted = standardise(frame, feed).select("conversion_type", "clicks", "conversions").rows()
    rows = (
        (", ".join(code(f"{name}={value}") for name, value in row.items()), *(_cell(value) for value in columns))
        for row, columns in zip(_CLICK_ROWS, counted, strict=True)
    )
    return table(("the row contains", "`conversion_type`", "`clicks`", "`conversions`"), rows)


def amounts() -> str:
    """Examples of amounts, read and checked by the code."""
    return _numbers("amount", "value", _AMOUNTS)


def counts() -> str:
    """Examples of counts, read and checked by the code."""
    return _numbers("count", "clicks", _COUNTS)


def _numbers(title: str, field: str, examples: Sequence[tuple[str, str]]) -> str:
    feed, seconds = FEEDS["clicks"], 1767603600
    message = {"user_id": "u", "timestamp": seconds, "campaign_id": "c", "conversion": "buy"}
    payloads = [json.dumps(message | {field: text}).encode() for text, _ in examples]
    decoded, _ = decode(payloads, feed)
    valid, rejected = validate(standardise(decoded, feed), decoded, feed, [seconds * 1_000_000] * len(payloads))
    read = {row: _number(value) for row, value in valid.select("row", field).iter_rows()}
    read |= {row: code(reason) for row, reason in rejected.select("row", "reason").iter_rows()}
    rows = ((code(text), read[row], note) for row, (text, note) in enumerate(examples))
    return table((title, "read as", "note"), rows)


def _number(value: int | Decimal | None) -> str:
    return "null" if value is None else f"{Decimal(value).normalize():f}"


def currencies() -> str:
    """Examples of currencies, read by the code."""
    feed = FEEDS["clicks"]
    given = [{f.name: text if f.kind == "currency" else "1" for f in feed.fields} for text in _CURRENCIES]
    frame = pl.DataFrame(given, schema={f.name: pl.String for f in feed.fields})
    read = zip(_CURRENCIES, standardise(frame, feed)["currency"], strict=True)
    return table(("currency", "read as"), ((code(text), code(value)) for text, value in read))


def _cell(value: object) -> str:
    return "null" if value is None else str(value)


def openrtb() -> str:
    """Where an OpenRTB request has the fields of a bid."""
    rows = [(code(name), ", else ".join(code(_path(path)) for path in paths)) for name, paths in OPENRTB.items()]
    targeting = ", ".join(code(_path(path)) for path in OPENRTB_TARGETING.values())
    return table(("field", "read from"), [*rows, (code("targeting"), f"{targeting}, as one object")])


def _path(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else step if step == EACH else f".{step}" for step in path)[1:]


def settings() -> str:
    """Every setting."""
    rows = (
        (code(name), _kind(info), _default(info), _variable(name), info.description or "")
        for name, info in all_settings(Settings)
    )
    return table(("setting", "type", "default", "environment variable", "description"), rows)


def all_settings(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting by dotted name. FEED is a feed, NAME a rule; `[]` marks a list of tables."""
    for name, info in model.model_fields.items():
        inner = info.annotation
        each = get_args(inner)[0] if get_origin(inner) is tuple else None
        tables = [one for one in get_args(inner) if isinstance(one, type) and issubclass(one, BaseModel)]
        if name == "feeds":
            yield from all_settings(FeedSettings, f"{prefix}feeds.FEED.")
        elif isinstance(each, type) and issubclass(each, BaseModel):
            yield from all_settings(each, f"{prefix}{name}[].")
        elif name == "reports":
            yield from all_settings(ReportSettings, f"{prefix}reports.NAME.")
        elif name == "rules":
            yield from all_settings(RuleSettings, f"{prefix}rules.NAME.")
        elif tables:  # one of them, or none
            yield from _one_of(tables, info, f"{prefix}{name}.")
        elif isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from all_settings(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, info


def _one_of(tables: Sequence[type[BaseModel]], info: FieldInfo, prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    """The settings of a table with types: the type, and the parts that each type has."""
    types = tuple(get_args(table.model_fields["type"].annotation) for table in tables)
    kinds = FieldInfo(annotation=Literal[sum(types, ())], description=info.description)  # type: ignore[arg-type]
    yield f"{prefix}type", kinds
    for table in tables:
        yield from ((name, one) for name, one in all_settings(table, prefix) if name != f"{prefix}type")


def _kind(info: FieldInfo) -> str:
    """The type of a setting; pydantic keeps a validator apart from the type, unless the setting is optional."""
    if set(get_args(SecretText)[1:]) & set(info.metadata):
        return "text (secret)"
    return "duration" if _is_wait(info) else _type(info.annotation)


def _is_wait(info: FieldInfo) -> bool:
    return set(get_args(Wait)[1:]) <= set(info.metadata) or Wait in get_args(info.annotation)


def _type(annotation: Any) -> str:
    names = {str: "text", int: "whole number", float: "number", bool: "true/false", Path: "path"}
    names |= {datetime: "date and time", timedelta: "duration", ByteSize: "size"}
    names |= {SecretStr: "text (secret)", SecretText: "text (secret)"}
    if annotation in names:
        return names[annotation]
    if get_origin(annotation) is Literal:
        return " or ".join(get_args(annotation))
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    inner = [_type(part) for part in get_args(annotation) if part not in (type(None), ...)]
    origin = get_origin(annotation)
    if origin is dict:
        return f"table: {inner[0]} = {inner[1]}"
    return f"list of {inner[0]}" if origin in (tuple, frozenset) else inner[0]


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = timedelta(seconds=info.default) if info.default and _is_wait(info) else info.default
    match value:
        case None | {} | () | frozenset():
            return "" if value is None else "empty"
        case bool():
            return code(str(value).lower())
        case datetime():
            return code(value.isoformat().replace("+00:00", "Z"))
        case timedelta():
            return code(duration_text(value))
        case _:
            return code(value)


def _variable(name: str) -> str:
    return code("ADVERTISEX_" + name.partition("[]")[0].upper().replace(".", "__"))


def flags() -> str:
    """The settings that are also command-line flags."""
    names = Settings.model_fields
    given = {
        command: [name for name in inspect.signature(function).parameters if name in names and name != "sources"]
        for command, function in (("ingest", ingest.ingest), ("process", process.process))
    }
    flagged = [name for name in names if any(name in parameters for parameters in given.values())]
    return ", ".join(code("--" + name.replace("_", "-")) for name in flagged) + "\n"


def tables() -> str:
    """Every table of the embedded store, read from a new store."""
    with duckdb.connect() as db:
        for statement in statements():
            db.execute(statement)
        names = db.execute("SELECT table_name, comment FROM duckdb_tables() ORDER BY table_oid").fetchall()
        parts = []
        for name, description in names:
            columns = db.execute(
                "SELECT column_name, data_type, comment FROM duckdb_columns() "
                "WHERE table_name = ? ORDER BY column_index",
                [name],
            ).fetchall()
            rows = ((code(column), kind, comment) for column, kind, comment in columns)
            parts.append(
                f"### {name}\n\n{description[0].upper()}{description[1:]}.\n\n"
                + table(("column", "type", "description"), rows)
            )
    return "\n".join(parts)


PARTS: dict[str, Callable[[], str]] = {
    "impressions": lambda: feed_section("impressions"),
    "clicks": lambda: feed_section("clicks"),
    "bids": lambda: feed_section("bids"),
    "limits": limits,
    "decode reasons": decode_reasons,
    "filters": filters,
    "placeholders": placeholders,
    "missing values": missing,
    **{f"metrics {one.name}": partial(definitions, one) for one in all_definitions()},
    "timestamps": timestamps,
    "websites": websites,
    "click rows": click_rows,
    "amounts": amounts,
    "counts": counts,
    "currencies": currencies,
    "openrtb": openrtb,
    "settings": settings,
    "flags": flags,
    "tables": tables,
}


def generated(page: str) -> str:
    """The text of a page with every generated part up to date."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", page)


def main() -> None:
    """Rewrite the generated parts of every page."""
    for path in sorted(PAGES.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = generated(before)
        if after != before:
            path.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
