"""The guide is correct: commands and samples run, links resolve, generated parts are up to date.

Conventions of the pages:

- A ```console block contains commands, each after `$ ` (continued after `> `). They run in order, in one folder per
  page that starts as a copy of docs/samples. The lines below a command are its output; a line `...` matches any
  number of lines, `...` within a line any text. A command without output below it only has to succeed.
- `<!-- exit: 2 -->` before a block is the exit code of its commands; blocks after `<!-- not run: why -->` are skipped.
- ```python blocks run as scripts, ```sql blocks on the page's store (each has to return a row), ```toml blocks are
  loaded as settings; `<!-- file: NAME -->` before one saves it in the folder under that name. A ```text block right
  after a Python block is its output.
- On a page, the usual addresses of Kafka, Elasticsearch and moto's S3 server are replaced by the servers of this test
  run, and the prefix TRIAL by a unique one, so that pages cannot collide.
- The target of `make TARGET` has to exist; it is not run.
"""

import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pytest

import advertisex
from advertisex.settings.feeds import configured_feeds
from advertisex.settings.load import load_settings
from advertisex.simulator import FILTERED, REJECTED
from tests.warm import program, python

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(GUIDE.glob("*.md"))]
LANGUAGES = {"console", "python", "sql", "toml", "text", "json", "csv", "mermaid"}
#: The port on pages; replaced by a free one.
PORT = "8765"
#: The server addresses on pages, and the fixtures that replace them.
SERVERS = {"127.0.0.1:9092": "kafka", "127.0.0.1:9200": "elasticsearch", "127.0.0.1:5000": "s3"}
#: Prefix of topics, group and indices on a page. Its replacement is as long, so that columns stay aligned.
TRIAL = "trial"
SECONDS = 60
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_NOTE = re.compile(r"<!-- (exit|not run|file): (.+?) -->\n\Z")


@dataclass(frozen=True)
class Command:
    text: str
    output: list[str]


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str
    exit: int = 0
    is_run: bool = True
    file: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> Iterator[Command]:
        lines = self.text.splitlines()
        assert lines[0].startswith("$ "), f"{self}: the first line of a console block is a command"
        while lines:
            command = [lines.pop(0)[2:]]
            while lines and lines[0].startswith("> "):
                command.append(lines.pop(0)[2:])
            output = []
            while lines and not lines[0].startswith("$ "):
                output.append(lines.pop(0))
            yield Command("\n".join(command), output)


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    blocks = []
    for found in _FENCE.finditer(text):
        note = _NOTE.search(text[: found.start()])
        blocks.append(
            Block(
                page,
                text[: found.start()].count("\n") + 1,
                found["language"],
                "\n".join(line.removeprefix(found["indent"]) for line in found["text"].splitlines()),
                exit=int(note[2]) if note and note[1] == "exit" else 0,
                is_run=not (note and note[1] == "not run"),
                file=note[2] if note and note[1] == "file" else "",
            )
        )
    return blocks


@dataclass
class Desk:
    """Runs the samples of one page in a folder."""

    folder: Path
    environment: dict[str, str]
    replacements: dict[str, str]
    sessions: list[int] = field(default_factory=list)

    @classmethod
    @contextmanager
    def at(
        cls, folder: Path, environment: dict[str, str], replacements: dict[str, str] | None = None
    ) -> Iterator["Desk"]:
        shutil.copytree(GUIDE / "samples", folder, dirs_exist_ok=True)
        (folder / ".venv").symlink_to(sys.prefix)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        desk = cls(folder, environment | {"HOME": str(folder)}, {PORT: port, **(replacements or {})})
        try:
            yield desk
        finally:
            for session in desk.sessions:  # background processes that a page has left running
                try:
                    os.killpg(session, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def run(self, *arguments: str) -> tuple[int, list[str]]:
        """Run a command; return its exit code and the lines of stdout and stderr."""
        capture = self.folder.parent / f"{self.folder.name}.out"  # a file: a pipe would wait for background processes
        with capture.open("wb") as out:
            process = subprocess.Popen(
                arguments,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.sessions.append(process.pid)
            status = process.wait(timeout=SECONDS)
        text = capture.read_text(encoding="utf-8")
        for shown, here in self.replacements.items():
            text = text.replace(here, shown)
        return status, [line.rstrip() for line in text.splitlines()]

    def run_bash(self, command: str) -> tuple[int, list[str]]:
        ended = self.run("bash", "-c", self.here(command))
        if PORT in command and re.search(r"&\)|&\s*$", command):
            self._await_server()
        return ended

    def _await_server(self) -> None:
        """Wait until a server that a page has started in the background listens."""
        deadline = time.monotonic() + SECONDS
        while True:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", int(self.replacements[PORT]))) == 0:
                    return
            assert time.monotonic() < deadline, "the server of the page does not listen"
            time.sleep(0.05)

    def here(self, text: str) -> str:
        """Replace the port, servers and names in a text of the page."""
        for shown, here in self.replacements.items():
            text = text.replace(shown, here)
        return text


def matches(shown: list[str], printed: list[str]) -> bool:
    parts = []
    for line in shown:
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*")
        else:
            parts.append(".*".join(map(re.escape, line.rstrip().split("..."))) + r"\n")
    return re.fullmatch("".join(parts), "".join(line + "\n" for line in printed)) is not None


def without_blank_ends(lines: list[str]) -> list[str]:
    return "\n".join(lines).strip("\n").split("\n")


def run_console(block: Block, desk: Desk) -> None:
    documents: dict[str, str] = {}
    for command in block.commands():
        shown, text = command.output, command.text
        if text.startswith("make "):
            assert text.split()[1] in make_targets(), f"{block}: the Makefile has no such target: {text}"
            continue
        status, printed = desk.run_bash(text)
        output = "\n".join(printed)
        assert status == block.exit, f"{block}: $ {text}\nended with {status}, not {block.exit}:\n{output}"
        if " --json" in text and block.page.name == "json.md":
            documents[text] = output
        if shown:
            assert matches(without_blank_ends(shown), without_blank_ends(printed)), (
                f"{block}: $ {text}\nprinted\n{output}\n\nwhere the page shows\n" + "\n".join(shown)
            )
    check_keys(block, documents)


def run_python(block: Block, following: Block | None, desk: Desk) -> None:
    script = desk.folder / (block.file or "sample.py")
    script.write_text(desk.here(block.text), encoding="utf-8")
    status, printed = desk.run(python(), script.name)
    output = "\n".join(printed)
    assert status == 0, f"{block}: ended with {status}:\n{output}"
    if following and following.language == "text":
        assert matches(following.text.splitlines(), printed), (
            f"{block}: printed\n{output}\n\nwhere the page shows\n{following.text}"
        )


def run_sql(block: Block, desk: Desk) -> None:
    with duckdb.connect(str(desk.folder / ".advertisex" / "store.duckdb"), read_only=True) as store:
        assert store.execute(block.text).fetchall(), f"{block}: the query finds nothing"


def run_toml(block: Block, desk: Desk) -> None:
    file = desk.folder / (block.file or "sample.toml")
    file.write_text(desk.here(block.text), encoding="utf-8")
    configured_feeds(load_settings(file, {}))


def replacements_for(blocks: list[Block], request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the replacements for a page; servers that listen on the usual ports are never used."""
    text = "\n".join(block.text for block in blocks if block.is_run)
    strays = re.findall(r"localhost:9(?:092|200)", text)
    assert strays == [], f"{blocks[0]}: write 127.0.0.1, which is replaced"
    named = {shown: fixture for shown, fixture in SERVERS.items() if shown in text}
    servers = {shown: urlsplit(request.getfixturevalue(fixture)).netloc for shown, fixture in named.items()}
    return {TRIAL: "t" + secrets.token_hex(2), **servers} if servers else {}


def make_targets() -> set[str]:
    return set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def heading_anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub generates for the headings of a page."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = (re.sub(r"[`*]", "", found) for found in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment of the samples."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ADVERTISEX_", "PYTEST_"))}
    path = [str(Path(program()).parent), str(Path(sys.executable).parent), inherited["PATH"]]
    return inherited | {"PATH": os.pathsep.join(path), "TZ": "UTC", "PYTHONWARNINGS": "error"}


# alternate pages: xdist sends neighbours to the same worker, and the longest pages are neighbours
@pytest.mark.parametrize("page", [*PAGES[::2], *PAGES[1::2]], ids=named)
def test_every_sample_of_a_page_runs_and_prints_its_output(
    page: Path, tmp_path: Path, environment: dict[str, str], monkeypatch, request: pytest.FixtureRequest
) -> None:
    blocks = blocks_of(page)
    folder = tmp_path / "samples"
    with Desk.at(folder, environment, replacements_for(blocks, request)) as desk:
        monkeypatch.chdir(folder)
        for block, following in pairwise([*blocks, None]):
            assert block is not None
            assert block.language in LANGUAGES, f"{block}: {block.language!r} blocks are not checked"
            if not block.is_run:
                continue
            match block.language:
                case "console":
                    run_console(block, desk)
                case "python":
                    run_python(block, following, desk)
                case "sql":
                    run_sql(block, desk)
                case "toml":
                    run_toml(block, desk)
                case "json":
                    json.loads(block.text)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_resolve(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{named(page)}: {link} does not exist"
        assert target.is_relative_to(ROOT), f"{named(page)}: {link} is outside the project"
        if anchor:
            assert anchor in heading_anchors(target), f"{named(page)}: {link} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_pages_contain_no_machine_paths(page: Path) -> None:
    found = re.search(r"/(work|root|home|tmp|Users)/\S*", page.read_text(encoding="utf-8"))
    assert found is None, f"{named(page)}: {found and found[0]}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    specification = importlib.util.spec_from_file_location("generate", GUIDE / "generate.py")
    assert specification is not None
    assert specification.loader is not None
    generate = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(generate)
    text = page.read_text(encoding="utf-8")
    assert text == generate.generated(text), f"{named(page)} is out of date: run `python docs/generate.py`"


def test_every_path_in_the_architecture_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    paths = [path.rstrip("/") for path in re.findall(r"`([\w./]+(?:\.py|/))`", text)]
    roots = (ROOT, ROOT / "src" / "advertisex")
    assert paths, "the page names no file"
    assert [path for path in paths if not any((root / path).exists() for root in roots)] == []


def test_every_reason_code_is_documented() -> None:
    text = (GUIDE / "feeds.md").read_text(encoding="utf-8")
    assert [reason for reason in (*REJECTED, *FILTERED) if f"| `{reason}` |" not in text] == []


def test_every_public_name_is_documented() -> None:
    text = (GUIDE / "library.md").read_text(encoding="utf-8")
    assert [name for name in advertisex.__all__ if f"`{name}`" not in text] == []


def test_every_page_is_in_the_index() -> None:
    text = (GUIDE / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in GUIDE.glob("*.md") if page.name != "README.md" and f"({page.name})" not in text] == []


def test_every_part_of_the_case_study_has_its_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", (GUIDE / "case-study.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [part for part in CASE_STUDY if part not in headings] == []


def test_the_readme_shows_the_output_of_the_demo(tmp_path: Path, environment: dict[str, str]) -> None:
    """The first text block of the README is part of the output; only the duration may differ."""
    texts = [block.text for block in blocks_of(ROOT / "README.md") if block.language == "text"]
    assert texts, "the README has no text block"
    shown = texts[0].splitlines()
    with Desk.at(tmp_path / "samples", environment) as desk:
        status, printed = desk.run("advertisex", "demo")
    assert status == 0
    shown = ["...", *(re.sub(r"in [\d.]+ s\b", "in ... s", line) for line in shown), "..."]
    assert matches(shown, printed), "\n".join(printed)


def check_keys(block: Block, documents: dict[str, str]) -> None:
    """Check that the table of a command in json.md lists exactly the keys that it prints."""
    sections = re.split(r"^## ", block.page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    for command, text in documents.items():
        section = next(section for section in sections if f"$ {command}\n" in section)
        names = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
        paths = set(key_paths(json.loads(text)))
        empty = {path for path in paths if any(name.startswith(within(path)) for name in names)}
        patterns = {name: re.compile(re.escape(name).replace(r"\*", "[^.]*")) for name in names}
        undocumented = [path for path in paths - empty if not any(p.fullmatch(path) for p in patterns.values())]
        assert undocumented == [], f"{block}: undocumented keys of {command}"
        absent = {
            name
            for name, pattern in patterns.items()
            if not any(map(pattern.fullmatch, paths))
            and not any(name.startswith((f"{path}[].", f"{path}.*")) for path in empty)
        }
        absent = {name for name in absent if not name.endswith("[].encoding")}  # only for binary payloads
        assert absent == set(), f"{block}: {command} does not print these keys"


def within(path: str) -> tuple[str, str]:
    """How the documented names start of what is in a list or in an object at a path."""
    return f"{path}[].", f"{path}.*"


def key_paths(value: object, prefix: str = "") -> Iterator[str]:
    """Yield the dotted path of every key that has a value; a list adds []."""
    match value:
        case dict() if value:
            for key, inner in value.items():
                yield from key_paths(inner, f"{prefix}.{key}".lstrip("."))
        case list() if value and isinstance(value[0], dict):
            yield from (path for inner in value for path in key_paths(inner, f"{prefix}[]"))
        case _:
            yield prefix


#: The headings of the case study, in order, each name once.
CASE_STUDY = (
    "Assumptions",
    "Data Ingestion",
    "Purpose and Objective",
    "Dependencies",
    "Kafka Configuration",
    "Data Serialization",
    "Avro Serialization",
    "API Data Retrieval",
    "Data Publication",
    "Simulated Real-time Data Generation",
    "Error Handling and Retry Mechanism",
    "Real-time Behavior Simulation",
    "Producer Cleanup",
    "Logging and Monitoring",
    "Data Processing",
    "Elasticsearch Configuration",
    "Data Validation",
    "Data Filtering",
    "Deduplication",
    "Avro Data Processing",
    "Data Writing to Elasticsearch",
    "Main Loop for Consuming Data",
    "Error Handling and Messaging",
    "Data Analysis",
    "Data Analysis Function",
    "Aggregation Query",
    "Performing Analysis",
    "Correlation Calculation",
    "Extracting Statistical Metrics",
    "Printing Analysis Results",
    "Main Execution",
    "Error Handling",
)
