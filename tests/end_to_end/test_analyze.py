"""`advertisex analyze`, every question: JSON, CSV, HTML page and tables; one-line errors."""

import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from advertisex.analysis.reach.report import reach
from advertisex.analysis.scope import Scope
from advertisex.cli.output import print_json
from advertisex.stores.open import open_store
from tests.budget import some

Cli = Callable[..., Any]

ADVERTISEX = str(Path(sys.executable).with_name("advertisex"))

#: Every question, with its required options and its main table.
QUESTIONS = {
    "summary": ([], "measures"),
    "correlation": ([], "per_user"),
    "summary by day": (["--by", "day"], "days"),
    "correlation by day": (["--by", "day"], "days"),
    "funnel": (["--by", "campaign_id"], "rows"),
    "attribution": ([], "credits"),
    "journeys": ([], "windows"),
    "reach": ([], "campaigns"),
    "reach by week": (["--by", "week"], "periods"),
    "reach by flight": (["--by", "flight"], "flights"),
    "bids": ([], "creatives"),
    "quality": ([], "delays"),
    "restatement": (["--from", "2026-01-01"], "restated"),
    "events": (["--of", "clicks"], "rows"),
}


def named(question: str) -> str:
    """Return the name of the command."""
    return question.split(maxsplit=1)[0]


each_question = pytest.mark.parametrize("question", QUESTIONS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with simulated traffic of all three feeds."""
    folder = tmp_path_factory.mktemp("world") / "data"
    command = [ADVERTISEX, "demo", "--events", "4000", "--data", str(folder)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder.parent)
    return folder


Ask = Callable[..., Any]


@pytest.fixture
def ask(cli: Cli, world: Path) -> Ask:
    """ask(question, *options): run the question on the data above, with its required options."""
    given = {question: (named(question), *options) for question, (options, _) in QUESTIONS.items()}
    return lambda question, *options: cli("analyze", *given[question], "--data", world, *options)


# -- output ------------------------------------------------------------------------------------------------------


@each_question
def test_json_contains_what_the_numbers_were_computed_from(ask: Ask, question: str) -> None:
    document = ask(question, "--json", "--since", "2026-01-05", "--until", "2026-01-12").document

    first = ["question", "definition", "range", "horizon", "horizons", "computed_from", "parameters"]
    assert list(document)[: len(first)] == first
    assert document["question"] == named(question)
    assert document["definition"].split("/")[0] == named(question)
    assert (document["range"]["since"], document["range"]["until"]) == ("2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z")
    assert document["horizon"].startswith("2026-01-")
    assert sum(document["computed_from"].values()) > 0
    assert len(document[QUESTIONS[question][1]]) > 0


@each_question
def test_csv_is_the_main_table_or_the_named_one(ask: Ask, question: str) -> None:
    document = ask(question, "--json", *fixed_end(question)).document
    main = QUESTIONS[question][1]
    tables = [
        key for key, value in document.items() if isinstance(value, list) and value and isinstance(value[0], dict)
    ]

    assert tables[0] == main
    for name in tables:
        ended = ask(question, "--csv", "--table", name, *fixed_end(question))
        assert ended.code == 0
        assert as_csv_rows(document[name]) == list(csv.DictReader(io.StringIO(ended.out, newline="")))
    assert ask(question, "--csv", *fixed_end(question)).out == ask(
        question, "--csv", "--table", main, *fixed_end(question)
    ).out  # fmt: skip


def fixed_end(question: str) -> list[str]:
    return ["--to", "2030-01-01"] if question == "restatement" else []


def as_csv_rows(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    def cell(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)

    def normalised(text: str) -> str:
        try:
            return repr(float(text))
        except ValueError:
            return text

    return [Row({name: cell(value) for name, value in row.items()}, normalised) for row in rows]


class Row(dict[str, str]):
    """A row that compares numbers by value, whatever their notation."""

    def __init__(self, row: dict[str, str], normalised: Callable[[str], str]) -> None:
        super().__init__(row)
        self._normalised = normalised

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, dict)
        return {n: self._normalised(t) for n, t in self.items()} == {n: self._normalised(t) for n, t in other.items()}

    __hash__ = None  # type: ignore[assignment]


@each_question
def test_a_page_is_written_whole(ask: Ask, tmp_path: Path, question: str) -> None:
    ended = ask(question, "--html", "page.html")

    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith("wrote ")
    assert f"<h1>{named(question).capitalize()}</h1>" in page
    assert f"<dd>{named(question)}/" in page
    assert page.rstrip().endswith("</html>")
    scripts = [path.name for path in tmp_path.glob("plotly-*.min.js")]
    assert len(scripts) == (question != "events")  # it has no figures
    assert all(f'<script src="{script}"></script>' in page for script in scripts)
    assert {path.name for path in tmp_path.iterdir()} == {"page.html", *scripts}


@each_question
def test_tables_are_the_default_output(ask: Ask, question: str) -> None:
    ended = ask(question)

    assert (ended.code, ended.err) == (0, "")
    assert len(ended.out.splitlines()) > 5
    assert ended.out.startswith(f"{named(question)}/")
    assert "rows of the clicks feed" in ended.out.splitlines()[0] or question in ("reach", "bids")
    assert max(map(len, ended.out.splitlines()[2:])) <= 200  # the first two are sentences
    assert "…" not in "".join(line for line in ended.out.splitlines() if "more rows" not in line)


def test_tables_report_that_an_answer_has_only_the_first_rows(ask: Ask) -> None:
    document = ask("restatement", "--json", "--limit", "50").document
    ended = ask("restatement", "--limit", "50")

    total = document["rows_in_all"]["late_events"]
    assert total == sum(document["late"].values()) + document["late_elsewhere"] > 50
    assert "… 10 more rows: --csv --table late_events prints all 50" in ended.out
    assert f"50 of {total:,} are listed; --limit N lists more" in ended.out


def test_a_page_of_one_file(ask: Ask, tmp_path: Path) -> None:
    assert ask("reach", "--html", "page.html", "--inline").code == 0

    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert "plotly.js v" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert_one_line(ask("reach", "--inline"), 2, "--inline requires --html")


def test_a_page_and_json_together(ask: Ask, tmp_path: Path) -> None:
    ended = ask("reach", "--html", "page.html", "--json")

    assert ended.document["question"] == "reach"
    assert (tmp_path / "page.html").exists()


def test_the_library_writes_the_same_bytes(ask: Ask, world: Path, tmp_path: Path) -> None:
    with open_store(f"duckdb:///{world}/store.duckdb", read_only=True) as store:
        answer = reach(store, Scope().settled(store))

    ask("reach", "--html", "page.html")
    answer.to_html(tmp_path / "own.html")
    assert (tmp_path / "own.html").read_bytes() == (tmp_path / "page.html").read_bytes()
    assert answer.to_json() == ask("reach", "--json").out
    assert answer.to_csv() == ask("reach", "--csv").out
    assert answer.to_csv(table="overlap") == ask("reach", "--csv", "--table", "overlap").out


def test_a_long_table_is_cut_with_a_hint_how_to_print_all(ask: Ask) -> None:
    ended = ask("funnel", "--by", "hour")

    rows = [line for line in ended.out.splitlines() if line.startswith("2026-01-0")]
    first_block = rows[: rows.index(rows[0], 1)] if rows.count(rows[0]) > 1 else rows
    assert len({line.split("  ")[0] for line in first_block}) == 40
    assert "more rows: --csv --table rows prints all" in ended.out
    assert len(ask("funnel", "--by", "hour", "--csv").out.splitlines()) > 41


# -- as of an earlier time ---------------------------------------------------------------------------------------


@each_question
def test_as_of(ask: Ask, question: str) -> None:
    if question == "restatement":
        assert_one_line(ask(question, "--as-of", "2020-01-01"), 1, "no events found")
        return
    now = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    before, then = (ask(question, "--json", "--as-of", time) for time in ("2020-01-01", now))

    assert_one_line(before, 1, " found (as of 2020-01-01T00:00:00Z)")
    always = ask(question, "--json").document
    assert then.document == always, "a later time is the same as the last commit"
    again = ask(question, "--json", "--as-of", always["range"]["as_of"]).document
    assert again == always


# -- options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["campaign_id", "creative_id", "website", "hour", "day"])
def test_a_funnel_by_each_key(ask: Ask, by: str) -> None:
    document = ask("funnel", "--by", by, "--json").document

    assert document["parameters"]["by"] == by
    assert sum(row["impressions"] for row in document["rows"]) == document["impressions"]


def test_a_funnel_without_grouping(cli: Cli, world: Path) -> None:
    document = cli("analyze", "funnel", "--data", world, "--json").document

    assert "rows" not in document
    assert [row["step"] for row in document["steps"]] == ["bids", "impressions", "clicks", "conversions"]


def test_a_question_about_a_value_of_a_field(cli: Cli, world: Path) -> None:
    everything = cli("analyze", "funnel", "--by", "creative_id", "--data", world, "--json").document
    creative = next(row for row in everything["rows"] if row["impressions"] > 0)

    options = ("--where", f"creative_id={creative['creative_id']}", "--data", world)
    document = cli("analyze", "reach", *options, "--json").document
    assert document["impressions"] == creative["impressions"]
    assert document["range"]["where"] == {"creative_id": creative["creative_id"]}
    assert f"creative_id={creative['creative_id']}" in cli("analyze", "reach", *options).out


def test_the_options_of_attribution(ask: Ask) -> None:
    options = ("--model", "linear", "--model", "first", "--by", "website", "--scope", "campaign", "--split-journeys")
    windows = ("--click-window", "36h", "--view-window", "PT90M", "--half-life", "2d")

    document = ask("attribution", "--json", *options, *windows).document

    assert document["parameters"] == {
        "by": "website",
        "scope": "campaign",
        "split_journeys": True,
        "models": ["linear", "first"],
        "click_window_seconds": 129_600.0,
        "view_window_seconds": 5_400.0,
        "half_life_seconds": 172_800.0,
        "weight": "conversions",
    }
    assert list(document["credits"][0])[1:] == ["linear", "first"]


def test_the_options_of_journeys(ask: Ask) -> None:
    options = ("--window", "36h", "--window", "P2D", "--window", "1d", "--by", "website", "--scope", "campaign")

    document = ask("journeys", "--json", "--limit", "2", *options).document

    assert document["parameters"] == {"by": "website", "scope": "campaign", "windows": ["1d", "36h", "2d"]}
    assert [row["window"] for row in document["windows"]] == ["1d", "36h", "2d"]
    assert len(document["paths"]) == 2 < document["rows_in_all"]["paths"]
    assert document["lag_distribution"][-1]["lag"] == "1d-2d"


def test_restatement_limits_the_events_listed(ask: Ask) -> None:
    document = ask("restatement", "--to", "2030-01-01", "--limit", "3", "--json").document

    assert len(document["late_events"]) == 3
    last_commit = document["range"]["as_of"]
    assert last_commit < "2030"
    assert document["parameters"] == {"from": "2026-01-01T00:00:00Z", "to": last_commit, "limit": 3}


def test_quality_limits_the_events_listed_per_kind(ask: Ask) -> None:
    some, every = (ask("quality", "--limit", limit, "--json").document for limit in ("3", "100000"))

    for why, counted, count, listed in (
        ("discrepancy", "discrepancies", "count", "suspect"),
        ("reason", "suspected", "events", "flagged"),
    ):
        totals = Counter({row[why]: 0 for row in every[counted]})
        for row in every[counted]:
            totals[row[why]] += row[count]
        del totals["creatives_without_campaign"], totals["campaigns_without_creative"]  # not events
        assert Counter(row[why] for row in every[listed]) == +totals
        assert Counter(row[why] for row in some[listed]) == +Counter({name: min(3, n) for name, n in totals.items()})
        assert every["rows_in_all"][listed] == some["rows_in_all"][listed] == len(every[listed])
    assert some["suspected"] == every["suspected"]
    assert len(every["suspect"]) > len(some["suspect"]) > 0


def test_nothing_is_restated_since_the_last_commit(ask: Ask, cli: Cli, world: Path) -> None:
    last_commit = ask("summary", "--json").document["range"]["as_of"]

    for begin in (last_commit, "2050-01-01"):
        document = cli("analyze", "restatement", "--data", world, "--from", begin, "--json").document
        assert document["restated"] == document["late_events"] == []


# -- errors ------------------------------------------------------------------------------------------------------


def assert_one_line(ended: Any, code: int, *parts: str) -> None:
    assert ended.code == code, ended.err
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert "internal error" not in line
    assert [part for part in parts if part not in line] == [], line


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (
            ["funnel", "--by", "planet"],
            ["--by", "'planet'", "placement, app, advertiser_id, conversion_type, hour, day"],
        ),
        (["funnel", "--by", "placement"], ["--by", "bids", "'placement'", "feeds.bids.extra"]),
        (["funnel", "--where", "device"], ["--where", "'device'", "FIELD=VALUE"]),
        (["reach", "--where", "app=a", "--where", "app=b"], ["--where", "given twice"]),
        (["reach", "--where", "color=red"], ["--where", "impressions", "'color'", "feeds.impressions.extra"]),
        (["summary", "--where", "placement=top"], ["--where", "'placement'", "clicks", "feeds.clicks.extra"]),
        (["reach", "--where", "cost=cheap"], ["--where", "cost", "'cheap'", "a number"]),
        (["summary", "--by", "hour"], ["--by", "'hour'", "day"]),
        (["correlation", "--by", "hour"], ["--by", "'hour'", "day"]),
        (["journeys", "--window", "7"], ["--window", "'7'", "30d"]),
        (["journeys", "--window", "7d", "--window", "0s"], ["--window", "above 0"]),
        (["journeys", "--scope", "all"], ["--scope", "'all'", "any, campaign"]),
        (["reach", "--by", "hour"], ["--by", "'hour'", "day, week, month, flight"]),
        (["attribution", "--by", "day"], ["--by", "'day'", "campaign_id, creative_id, website"]),
        (["attribution", "--model", "lats"], ["--model", "'lats'", "last, last_click"]),
        (["attribution", "--scope", "all"], ["--scope", "'all'", "any, campaign"]),
        (["attribution", "--click-window", "30"], ["--click-window", "'30'", "30d"]),
        (["attribution", "--view-window", "-1d"], ["--view-window", "'-1d'"]),
        (["attribution", "--view-window", "-P1D"], ["--view-window", "'-P1D'"]),
        (["attribution", "--click-window", "999999999999d"], ["--click-window", "999999999999d"]),
        (["attribution", "--half-life", "0s"], ["--half-life", "above 0"]),
        (["attribution", "--half-life", "300000000d"], ["--half-life", "100 years"]),
        (["attribution", "--click-window", "4000000d", "--since", "2026-01-06"], ["--click-window", "36525d or less"]),
        (["attribution", "--view-window", "999999999d", "--by", "website"], ["--view-window", "36525d or less"]),
        (["restatement", "--from", "2026-01-01", "--limit", "5000000000"], ["--limit", "1000000000"]),
        (["restatement", "--from", "2026-01-01", "--limit", "-1"], ["--limit", "see advertisex analyze restatement"]),
        (["funnel", "--since", "2026"], ["--since", "'2026'", "2026-11-24"]),
        (["funnel", "--since", "2026-01"], ["--since", "'2026-01'", "2026-11-24"]),
        (["funnel", "--until", "20260105"], ["--until", "'20260105'", "2026-11-24"]),
        (["funnel", "--as-of", "1767603600.5"], ["--as-of", "'1767603600.5'", "2026-11-24"]),
        (["restatement"], ["missing option '--from'", "see advertisex analyze restatement --help"]),
        (["funnel", "--model", "last"], ["--model", "see advertisex analyze funnel --help"]),
        (["funel"], ["unknown command 'funel'; did you mean funnel?", "funnel", "see advertisex analyze --help"]),
        (["restatement", "--from", "yesterday"], ["--from", "'yesterday'"]),
        (["restatement", "--from", "2026-01-03", "--to", "2026-01-02"], ["--from", "--to"]),
        (["reach", "--as-of", "soon"], ["--as-of", "'soon'"]),
        (["funnel", "--currency", "Euro", "--rates", "r.csv"], ["--currency", "'Euro'", "ISO 4217"]),
        (["funnel", "--currency", "EUR"], ["EUR", "exchange rates", "--rates FILE"]),
        (["funnel", "--rates", "r.csv"], ["--rates requires --currency"]),
        (["funnel", "--currency", "EUR", "--rates", "absent.csv"], ["cannot read the rates", "absent.csv"]),
        (["performance", "--by", "hour"], ["by (--by)", "'hour'"]),
        (["reach", "--zone", "Berlin"], ["--zone", "'Berlin'", "Europe/Paris"]),
        (["reach", "--since", "2026-01-02", "--until", "2026-01-02"], ["the range is empty", "--since"]),
        (["reach", "--json", "--csv"], ["--json", "--csv"]),
        (["reach", "--table", "overlap"], ["--table", "--csv"]),
        (
            ["reach", "--csv", "--table", "rows"],
            ["'rows'", "campaigns, frequency, campaign_frequency, converted, overlap"],
        ),
        (["funnel", "--html", "-"], ["--html -", "name a file"]),
        (["funnel", "--html", "absent/page.html"], ["absent", "no such folder"]),
        (["funnel", "--html", "."], ["not a regular file"]),
        (["funnel", "--config", "absent.toml"], ["absent.toml"]),
    ],
)
def test_a_usage_error_is_reported_in_one_line(cli: Cli, world: Path, arguments: list[str], parts: list[str]) -> None:
    assert_one_line(cli("analyze", *arguments, "--data", world), 2, *parts)


@pytest.mark.parametrize(
    "time", ["2026-01-06", "2026-01-06T00:00:00Z", "2026-01-06 01:00:00+01:00", "2026-01-06 00:00:00"]
)
def test_times_are_dates_or_timestamps(cli: Cli, world: Path, time: str) -> None:
    document = cli("analyze", "funnel", "--since", time, "--data", world, "--json").document

    assert document["range"]["since"] == "2026-01-06T00:00:00Z"


def test_options_are_checked_before_the_store_is_opened(cli: Cli) -> None:
    assert_one_line(cli("analyze", "attribution", "--model", "x", "--data", "nowhere"), 2, "--model")
    assert_one_line(cli("analyze", "attribution", "--html", "a/b", "--data", "nowhere"), 2, "no such folder")


@each_question
def test_an_unknown_campaign(ask: Ask, question: str) -> None:
    ended = ask(question, "--campaign", "no-such-campaign")

    assert_one_line(ended, 1, "campaign no-such-campaign")


# -- untrusted text ----------------------------------------------------------------------------------------------

EVIL = ("=1+1", "<script>alert(1)</script>", "@SUM(A1)", "</script><img src=x>", "[bold]markup[/]")


@pytest.fixture
def evil(cli: Cli, tmp_path: Path) -> Cli:
    """The command line, with campaign names in the data folder `data` that are formulas, HTML or markup."""
    rows = [{"timestamp": "2026-01-05T10:00:00Z", "user_id": f"u{n}", "campaign_id": name, "conversion_type": "click"}
            for n, name in enumerate(EVIL)]  # fmt: skip
    (tmp_path / "clicks.json").write_text(json.dumps(rows), encoding="utf-8")
    assert cli("ingest", "clicks", "clicks.json", "--data", "data").code == 0
    assert cli("process", "--data", "data").code == 0
    return cli


def test_names_are_not_interpreted_as_formulas_html_or_markup(evil: Cli, tmp_path: Path) -> None:
    question = ("analyze", "funnel", "--by", "campaign_id", "--data", "data")

    table, document = evil(*question, "--csv").out, evil(*question, "--json").document
    tables = evil(*question).out
    evil(*question, "--html", "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")

    names = [row["campaign_id"] for row in csv.DictReader(io.StringIO(table, newline=""))]
    assert sorted(names) == sorted(f"'{name}" if name[0] in "=@" else name for name in EVIL)
    assert {row["campaign_id"] for row in document["rows"]} == set(EVIL)
    assert [name for name in EVIL if name not in tables] == []
    assert "<script>alert" not in page
    assert "<img" not in page.split("plotly.js v")[0]


# -- as a process ------------------------------------------------------------------------------------------------


def test_csv_is_written_byte_for_byte(world: Path) -> None:
    command = [ADVERTISEX, "analyze", "reach", "--csv", "--data", str(world)]

    printed = subprocess.run(command, check=True, capture_output=True).stdout

    assert printed.startswith(b"campaign_id,users,")
    assert printed.count(b"\r\n") == printed.count(b"\n") > 1


@pytest.mark.parametrize(
    ("unbuffered", "options"), some(product(["", "1"], [[], ["--json"], ["--csv"], ["--help"]]), 3)
)
def test_a_full_disk_is_reported_in_one_line(world: Path, options: list[str], unbuffered: str) -> None:
    command = [ADVERTISEX, "analyze", "reach", "--data", str(world), *options]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            command,
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )

    assert ended.returncode == 1
    assert ended.stderr.startswith("error: could not write the output: the disk is full; /dev has ")
    assert ended.stderr.count("\n") == 1


def test_closed_streams(world: Path) -> None:
    command = f"{ADVERTISEX} analyze reach --json --data {world}"
    no_stdout, no_stderr = (
        subprocess.run(["sh", "-c", f"{command} {closed}"], check=False, capture_output=True, text=True)
        for closed in (">&-", "2>&-")
    )

    assert no_stdout.returncode == 1
    assert no_stdout.stderr == "error: stdout is closed; redirect it to a file or to /dev/null\n"
    assert (no_stderr.returncode, json.loads(no_stderr.stdout)["question"]) == (0, "reach")


def test_a_closed_pipe_prints_no_error(world: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        command = [ADVERTISEX, "analyze", "reach", "--json", "--data", str(world)]
        ended = subprocess.run(command, check=False, stdout=nobody, stderr=subprocess.PIPE, text=True)

    assert (ended.returncode, ended.stderr) == (1, "")


def test_json_numbers_keep_all_digits(capsys: pytest.CaptureFixture[str]) -> None:
    amounts = {"value": Decimal("2000000000000.000001"), "credit": Decimal("0.000000001"), "ratio": 0.1, "none": None}
    print_json({"rows": [amounts], "file": "caf\udce9", "empty": {}})

    printed = capsys.readouterr().out
    assert printed == (
        '{\n  "rows": [\n    {\n      "value": 2000000000000.000001,\n      "credit": 0.000000001,\n'
        '      "ratio": 0.1,\n      "none": null\n    }\n  ],\n  "file": "caf?",\n  "empty": {}\n}\n'
    )
    assert json.loads(printed, parse_float=Decimal)["rows"][0]["value"] == amounts["value"]


def test_help_imports_no_slow_module_and_lists_every_question() -> None:
    script = (
        "import sys\n"
        "from advertisex.cli.commands import app\n"
        "sys.argv = ['advertisex', 'analyze', '--help']\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        "slow = {'plotly', 'jinja2', 'scipy', 'playwright'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )

    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert [question for question in map(named, QUESTIONS) if question not in ended.stdout] == []


@each_question
def test_every_question_has_the_shared_options(cli: Cli, question: str) -> None:
    shown = cli("analyze", named(question), "--help").out

    shared = ["--since", "--until", "--campaign", "--as-of", "--csv", "--table", "--html", "--inline"]
    assert [name for name in (*shared, "--data", "--store", "--config", "--json", "--debug") if name not in shown] == []


@pytest.mark.parametrize(
    ("zone", "since", "instant"),
    [
        ("Europe/Berlin", "2026-01-06", "2026-01-05T23:00:00Z"),
        ("Europe/Berlin", "2025-07-06 09:30:00", "2025-07-06T07:30:00Z"),
        ("Europe/Berlin", "2026-01-06T00:00:00Z", "2026-01-06T00:00:00Z"),
        ("Asia/Kolkata", "2026-01-06T00:00:00+05:30", "2026-01-05T18:30:00Z"),
        ("America/Asuncion", "2023-10-01", "2023-10-01T04:00:00Z"),  # the clocks skipped midnight
        ("Europe/Berlin", "2025-10-26T02:30:00+01:00", "2025-10-26T01:30:00Z"),
    ],
)
def test_a_range_is_read_in_the_zone(cli: Cli, world: Path, zone: str, since: str, instant: str) -> None:
    ranges = [
        cli("analyze", "summary", "--since", since, *options, "--data", world, "--json").document["range"]
        for options in (["--zone", zone], ["--zone", zone, "--until", "2027-01-01"])
    ]
    assert [(one["since"], one["zone"]) for one in ranges] == [(instant, zone)] * 2


def test_the_zone_of_the_settings_is_the_default(cli: Cli, world: Path, tmp_path: Path) -> None:
    (tmp_path / "zone.toml").write_text('[analysis]\nzone = "Asia/Tokyo"\n')
    ask = ["analyze", "summary", "--since", "2026-01-06", "--data", world, "--config", "zone.toml", "--json"]
    assert cli(*ask).document["range"]["since"] == "2026-01-05T15:00:00Z"
    assert cli(*ask, "--zone", "UTC").document["range"]["since"] == "2026-01-06T00:00:00Z"


@pytest.mark.parametrize(
    ("since", "named"),
    [("2025-10-26T02:30:00", ["Europe/Berlin", "twice", "offset"]), ("2025-03-30 02:30:00", ["never", "offset"])],
)
def test_a_time_that_the_clocks_show_twice_or_never_needs_an_offset(
    cli: Cli, world: Path, since: str, named: list[str]
) -> None:
    ended = cli("analyze", "summary", "--since", since, "--zone", "Europe/Berlin", "--data", world)
    assert ended.code == 2
    assert all(text in ended.err for text in ["--since", *named])


def test_amounts_are_converted_by_the_rates_of_a_file_or_of_the_settings(cli: Cli, world: Path, tmp_path: Path) -> None:
    rates = [
        f"{day},EUR,{code},2"
        for day in ("2026-01-01", "2026-01-08")
        for code in ("USD", "GBP", "JPY", "INR", "NGN", "BRL")
    ]
    (tmp_path / "rates.csv").write_text("\n".join(["date,from,to,rate", *rates]))
    (tmp_path / "euro.toml").write_text('[analysis]\ncurrency = "EUR"\nrates = "rates.csv"\n')
    ask = ["analyze", "funnel", "--since", "2026-01-05", "--until", "2026-01-09", "--data", world, "--json"]
    plain, given, set_once = (
        cli(*ask, *more).document
        for more in ([], ["--currency", "EUR", "--rates", "rates.csv"], ["--config", "euro.toml"])
    )
    assert set(given["value"]) - {""} == {"EUR"}
    assert given["value"] == set_once["value"]
    assert given["value"]["EUR"] == pytest.approx(
        sum(amount / (1 if code == "EUR" else 2) for code, amount in plain["value"].items() if code)
    )
    assert (given["parameters"]["currency"], given["parameters"]["rates"]) == ("EUR", "rates.csv")


def test_valid_traffic_is_shown_beside_the_gross(cli: Cli, world: Path) -> None:
    ask = ["analyze", "summary", "--by", "day", "--data", world]
    gross, valid = cli(*ask, "--json").document, cli(*ask, "--json", "--valid-only").document
    assert valid["gross"]["counts"] == gross["counts"]
    left_out = valid["parameters"]["left_out"]
    assert valid["counts"]["impressions"] == gross["counts"]["impressions"] - left_out.get("impressions", 0)
    assert [day["impressions_gross"] for day in valid["days"]] == [day["impressions"] for day in gross["days"]]
    assert "gross" in cli(*ask, "--valid-only").out
