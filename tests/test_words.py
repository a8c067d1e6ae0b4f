"""The glossary's retired words appear neither in the code nor in the guide (docs/glossary.md has the ones to use)."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path
    for folder in ("src", "docs")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".md", ".j2", ".toml"}
)
PAGES = sorted(page for page in ROOT.glob("*.md") if page.name != "CHANGELOG.md")  # it has to name the old words

#: What to write instead of each retired word.
RETIRED = {
    r"mend|mends|mended|mending|mender": "hint; repair",
    r"refuse|refuses|refused|refusing|refusal|refusals": "reject, rejection, rejected",
    r"withhold|withholds|withheld|withholding": "suppress",
    r"anew": "again, from scratch",
    r"told|told apart|told by": "reported, distinguished, returned by",
    r"stands at|stand at|stands in|stands for": "is at, is in, means",
    r"judge|judges|judged|judging": "evaluate",
    r"verdict|verdicts": "result",
    r"doubt|doubts|doubted": "suspect",
    r"deal out|deals out|dealt out": "assign",
    r"(?:its|our|own|whole|reader's|member's) share|share of (?:the )?partitions|claim|claims|claimed": "assignment",
    r"patience": "backoff",
    r"crew": "bulk pool",
    r"trouble|troubles": "client errors",
    r"standing": "ledger state",
    r"stamp|stamped": "commit time",
    r"fate|fates": "replay status",
    r"lean": "scan",
    r"intake": "ledger history",
    r"evidence": "traffic",
    r"ahead": "prefetch",
    r"door": "public API",
    r"keeper": "supervisor",
    r"bytework": "fixed-width encoding",
    r"rhythm": "diurnal curve",
    r"ticking": "periodic task",
    r"(?:is|are|was|were) no (?!longer|more|less|fewer|later|earlier|different)\w+|what is none": (
        "is not a valid X, unknown X, X not found"
    ),
}

#: Where a retired word is the proper one, with the reason.
PROPER = {
    r"['\"]?[Cc]?onnection refused|refused or lost connection|\"refused\" in text": "what TCP calls it",
    r"write-ahead": "SQLite's name of its log",
    r"clocks? (?:that )?(?:is|are|runs?) ahead|late or ahead|clock of\s+their source is ahead|source is ahead": (
        "a clock that is ahead of the time"
    ),
    r"`delays\[\]\.ahead`|`ahead`|\bahead \(i64|\"ahead\"|\.ahead\b|ahead=|^\s*ahead = .*$": (
        "a column of the delays: events whose clock was ahead"
    ),
    r"\"alerts-judged\"|\"told\"|\"told_at\"": "names in stores of format 1, which a rebuild translates",
    r"there is no (?:connection|index)": "words of the case study that are quoted",
}

_PROPER = re.compile("|".join(PROPER), re.MULTILINE)
_RETIRED = re.compile(rf"\b(?:{'|'.join(RETIRED)})\b", re.IGNORECASE)


def retired_words(text: str) -> list[str]:
    """The lines of a text with a retired word, without those where it is the proper one."""
    blanked = _PROPER.sub(lambda proper: "·" * len(proper[0]), text)
    found = []
    for match in _RETIRED.finditer(blanked):
        number = text.count("\n", 0, match.start()) + 1
        found.append(f"line {number}: {match[0]!r} in: {text.splitlines()[number - 1].strip()}")
    return found


def test_no_retired_word_is_used() -> None:
    found = {path.relative_to(ROOT): retired_words(path.read_text(encoding="utf-8")) for path in (*FILES, *PAGES)}
    assert {path: words for path, words in found.items() if words} == {}


def test_the_exceptions_are_all_in_use() -> None:
    texts = [path.read_text(encoding="utf-8") for path in [*FILES, *PAGES]]
    assert [phrase for phrase in PROPER if not any(re.search(phrase, text, re.MULTILINE) for text in texts)] == []


@pytest.mark.parametrize(
    "text", ["see the mend", "Withheld", "the offset stands at 7", "'x' is no position", "its share"]
)
def test_a_retired_word_is_found(text: str) -> None:
    assert len(retired_words(f"first line\n{text}\n")) == 1
