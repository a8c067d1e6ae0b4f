"""`advertisex analyze`, every question: JSON, CSV, a page, a table for people; and one line for what is wrong."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

ADVERTISEX = str(Path(sys.executable).with_name("advertisex"))

#: Every question, with the options that it has to be given, and its main table.
QUESTIONS = {
    "summary": (["--by", "day"], "days"),
    "correlation": (["--by", "day"], "days"),
    "funnel": (["--by", "campaign_id"], "rows"),
    "attribution": ([], "credits"),
    "reach": ([], "campaigns"),
    "bids": ([], "creatives"),
    "quality": ([], "delays"),
    "restatement": (["--from", "2026-01-01"], "restated"),
}
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
    """ask(question, *options): the command on the world above, with the options that it has to be given."""
    return lambda question, *options: cli("analyze", question, *QUESTIONS[question][0], "--data", world, *options)


# -- what is printed and written ---------------------------------------------------------------------------------


@each_question
def test_json_says_what_the_numbers_are_of(ask: Ask, question: str) -> None:
    document = ask(question, "--json", "--since", "2026-01-05", "--until", "2026-01-12").document

    first = ["question", "definition", "range", "horizon", "computed_from", "parameters"]
    assert list(document)[: len(first)] == first
    assert document["question"] == question
    assert document["definition"].split("/")[0] == question
    assert (document["range"]["since"], document["range"]["until"]) == ("2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z")
    assert document["horizon"].startswith("2026-01-")
    assert sum(document["computed_from"].values()) > 0
    assert len(document[QUESTIONS[question][1]]) > 0


@each_question
def test_csv_is_the_main_table_or_the_one_that_is_named(ask: Ask, question: str) -> None:
    document = ask(question, "--json", *to_the_same(question)).document
    main = QUESTIONS[question][1]
    tables = [
        key for key, value in document.items() if isinstance(value, list) and value and isinstance(value[0], dict)
    ]

    assert tables[0] == main
    for name in tables:
        ended = ask(question, "--csv", "--table", name, *to_the_same(question))
        assert ended.code == 0
        assert as_csv_has_it(document[name]) == list(csv.DictReader(io.StringIO(ended.out, newline="")))
    assert ask(question, "--csv", *to_the_same(question)).out == ask(
        question, "--csv", "--table", main, *to_the_same(question)
    ).out  # fmt: skip


def to_the_same(question: str) -> list[str]:
    return ["--to", "2030-01-01"] if question == "restatement" else []


def as_csv_has_it(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    def cell(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)

    def same(text: str) -> str:
        try:
            return repr(float(text))
        except ValueError:
            return text

    return [Same({name: cell(value) for name, value in row.items()}, same) for row in rows]


class Same(dict[str, str]):
    """A row that is equal where its numbers are, however they are written."""

    def __init__(self, row: dict[str, str], same: Callable[[str], str]) -> None:
        super().__init__(row)
        self._same = same

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, dict)
        return {n: self._same(t) for n, t in self.items()} == {n: self._same(t) for n, t in other.items()}

    __hash__ = None  # type: ignore[assignment]


@each_question
def test_a_page_is_written_whole(ask: Ask, tmp_path: Path, question: str) -> None:
    ended = ask(question, "--html", "page.html")

    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith("wrote ")
    assert f"<h1>{question.capitalize()}</h1>" in page
    assert f"<dd>{question}/" in page
    assert "plotly.js v" in page
    assert page.rstrip().endswith("</html>")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


@each_question
def test_people_get_tables(ask: Ask, question: str) -> None:
    ended = ask(question)

    assert (ended.code, ended.err) == (0, "")
    assert len(ended.out.splitlines()) > 5
    assert max(map(len, ended.out.splitlines())) <= 200
    assert "…" not in "".join(line for line in ended.out.splitlines() if "more rows" not in line)


def test_a_page_and_json_at_once(ask: Ask, tmp_path: Path) -> None:
    ended = ask("reach", "--html", "page.html", "--json")

    assert ended.document["question"] == "reach"
    assert (tmp_path / "page.html").exists()


def test_of_a_long_table_people_see_the_beginning_and_how_to_see_all(ask: Ask) -> None:
    ended = ask("funnel", "--by", "hour")

    rows = [line for line in ended.out.splitlines() if line.startswith("2026-01-0")]
    first_block = rows[: rows.index(rows[0], 1)] if rows.count(rows[0]) > 1 else rows
    assert len({line.split("  ")[0] for line in first_block}) == 40
    assert "more rows: --csv --table rows prints all" in ended.out
    assert len(ask("funnel", "--by", "hour", "--csv").out.splitlines()) > 41


# -- the store as it was -----------------------------------------------------------------------------------------


@each_question
def test_as_of(ask: Ask, question: str) -> None:
    if question == "restatement":
        ended = ask(question, "--as-of", "2026-01-01")
        assert_one_line(ended, 2, "--as-of", "--to")
        return
    now = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    before, then = (ask(question, "--json", "--as-of", time) for time in ("2020-01-01", now))

    assert_one_line(before, 1, "stored", "as of 2020-01-01T00:00:00Z")
    document = then.document
    assert document["range"].pop("as_of") is not None
    always = ask(question, "--json").document
    assert always["range"].pop("as_of") is None
    assert document == always


# -- options -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["campaign_id", "creative_id", "website", "hour", "day"])
def test_a_funnel_by_each_key(ask: Ask, by: str) -> None:
    document = ask("funnel", "--by", by, "--json").document

    assert document["parameters"]["by"] == by
    assert sum(row["impressions"] for row in document["rows"]) == document["impressions"]


def test_a_funnel_by_nothing(cli: Cli, world: Path) -> None:
    document = cli("analyze", "funnel", "--data", world, "--json").document

    assert "rows" not in document
    assert [row["step"] for row in document["steps"]] == ["bids", "impressions", "clicks", "conversions"]


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
    }
    assert list(document["credits"][0])[1:] == ["linear", "first"]


def test_a_restatement_lists_at_most_so_many_events(ask: Ask) -> None:
    document = ask("restatement", "--to", "2030-01-01", "--limit", "3", "--json").document

    assert len(document["late_events"]) == 3
    assert document["parameters"] == {"from": "2026-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z", "limit": 3}


# -- what is wrong -----------------------------------------------------------------------------------------------


def assert_one_line(ended: Any, code: int, *parts: str) -> None:
    assert ended.code == code, ended.err
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert "internal error" not in line
    assert all(part in line for part in parts), line


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["funnel", "--by", "planet"], ["--by", "'planet'", "campaign_id, creative_id, website, hour, day"]),
        (["summary", "--by", "hour"], ["--by", "'hour'", "day"]),
        (["correlation", "--by", "hour"], ["--by", "'hour'", "day"]),
        (["attribution", "--by", "day"], ["--by", "'day'", "campaign_id, creative_id, website"]),
        (["attribution", "--model", "lats"], ["--model", "'lats'", "last, last_click"]),
        (["attribution", "--scope", "all"], ["--scope", "'all'", "any, campaign"]),
        (["attribution", "--click-window", "30"], ["--click-window", "'30'", "30d"]),
        (["attribution", "--view-window", "-1d"], ["--view-window", "'-1d'"]),
        (["attribution", "--view-window", "-P1D"], ["--view-window", "'-P1D'"]),
        (["attribution", "--click-window", "999999999999d"], ["--click-window", "999999999999d"]),
        (["attribution", "--half-life", "0s"], ["--half-life", "above 0"]),
        (["restatement", "--from", "yesterday"], ["--from", "'yesterday'"]),
        (["restatement", "--from", "2026-01-02", "--to", "2026-01-02"], ["--from", "--to"]),
        (["reach", "--as-of", "soon"], ["--as-of", "'soon'"]),
        (["reach", "--since", "2026-01-02", "--until", "2026-01-02"], ["the range is empty", "--since"]),
        (["reach", "--json", "--csv"], ["--json", "--csv"]),
        (["reach", "--table", "overlap"], ["--table", "--csv"]),
        (["reach", "--csv", "--table", "rows"], ["'rows'", "campaigns, frequency, campaign_frequency, overlap"]),
        (["funnel", "--html", "-"], ["--html -", "name a file"]),
        (["funnel", "--html", "absent/page.html"], ["absent", "no such folder"]),
        (["funnel", "--html", "."], ["no file"]),
        (["funnel", "--config", "absent.toml"], ["absent.toml"]),
    ],
)
def test_a_mistake_is_answered_in_one_line(cli: Cli, world: Path, arguments: list[str], parts: list[str]) -> None:
    assert_one_line(cli("analyze", *arguments, "--data", world), 2, *parts)


@pytest.mark.parametrize("arguments", [["restatement"], ["funnel", "--model", "last"], ["everything"]])
def test_wrong_usage_ends_with_2(cli: Cli, world: Path, arguments: list[str]) -> None:
    assert cli("analyze", *arguments, "--data", world).code == 2


def test_mistakes_are_found_before_the_store_is_looked_for(cli: Cli) -> None:
    assert_one_line(cli("analyze", "attribution", "--model", "x", "--data", "nowhere"), 2, "--model")
    assert_one_line(cli("analyze", "attribution", "--html", "a/b", "--data", "nowhere"), 2, "no such folder")


@each_question
def test_a_campaign_that_there_is_none_of(ask: Ask, question: str) -> None:
    ended = ask(question, "--campaign", "no-such-campaign")

    if question in ("quality", "restatement"):  # what was refused has no campaign; nothing may have been restated
        assert ended.code in {0, 1}
    else:
        assert_one_line(ended, 1, "campaign no-such-campaign")


# -- texts of the events -----------------------------------------------------------------------------------------

EVIL = ("=1+1", "<script>alert(1)</script>", "@SUM(A1)", "</script><img src=x>", "[bold]markup[/]")


@pytest.fixture
def evil(cli: Cli, tmp_path: Path) -> Cli:
    """The command line over a data folder `data` whose campaigns have names that others would run."""
    rows = [{"timestamp": "2026-01-05T10:00:00Z", "user_id": f"u{n}", "campaign_id": name, "conversion_type": "click"}
            for n, name in enumerate(EVIL)]  # fmt: skip
    (tmp_path / "clicks.json").write_text(json.dumps(rows), encoding="utf-8")
    assert cli("ingest", "clicks", "clicks.json", "--data", "data").code == 0
    assert cli("process", "--data", "data").code == 0
    return cli


def test_names_are_no_formulas_no_elements_and_no_markup(evil: Cli, tmp_path: Path) -> None:
    question = ("analyze", "funnel", "--by", "campaign_id", "--data", "data")

    table, document = evil(*question, "--csv").out, evil(*question, "--json").document
    people = evil(*question).out
    evil(*question, "--html", "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")

    names = [row["campaign_id"] for row in csv.DictReader(io.StringIO(table, newline=""))]
    assert sorted(names) == sorted(f"'{name}" if name[0] in "=@" else name for name in EVIL)
    assert {row["campaign_id"] for row in document["rows"]} == set(EVIL)
    assert all(name in people for name in EVIL)
    assert "<script>alert" not in page
    assert "<img" not in page.split("plotly.js v")[0]


# -- as a process ------------------------------------------------------------------------------------------------


def test_csv_comes_byte_by_byte_as_it_is(world: Path) -> None:
    command = [ADVERTISEX, "analyze", "reach", "--csv", "--data", str(world)]

    printed = subprocess.run(command, check=True, capture_output=True).stdout

    assert printed.startswith(b"campaign_id,users,")
    assert printed.count(b"\r\n") == printed.count(b"\n") > 1


def test_help_is_quick_and_lists_every_question() -> None:
    script = (
        "import sys\n"
        "from advertisex.cli.commands import app\n"
        "sys.argv = ['advertisex', 'analyze', '--help']\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        "slow = {'plotly', 'jinja2', 'scipy', 'playwright'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )

    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)

    assert all(question in ended.stdout for question in QUESTIONS)


@each_question
def test_every_question_has_the_shared_options(cli: Cli, question: str) -> None:
    shown = cli("analyze", question, "--help").out

    shared = ["--since", "--until", "--campaign", "--as-of", "--csv", "--table", "--html"]
    assert [name for name in (*shared, "--data", "--store", "--config", "--json", "--debug") if name not in shown] == []
