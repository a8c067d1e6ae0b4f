"""What needs an extra says which one to install."""

import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import xlsxwriter
from pydantic import SecretStr

from advertisex.cli.serve import serve
from advertisex.errors import AdvertiseXError
from advertisex.extras import EXTRAS, extra
from advertisex.feeds import FEEDS
from advertisex.logs.open import open_log
from advertisex.logs.sqlite.log import SqliteLog
from advertisex.monitoring.channels import channels_of
from advertisex.previewing import preview
from advertisex.processing.runner import process_log
from advertisex.stores.duckdb.store import DuckdbStore
from advertisex.stores.open import drop_old, kept_old, open_replacement, open_store

STORE = "elasticsearch://127.0.0.1:1"
#: Our packages that import an extra when they are imported themselves.
IMPORTERS = (
    "advertisex.logs.kafka",
    "advertisex.reporting.page",
    "advertisex.reporting.rendering",
    "advertisex.stores.elasticsearch",
    "advertisex.web",
)


def write_page(folder: Path) -> None:
    from advertisex.analysis.summary import summarise

    with SqliteLog(folder / "log.db") as log, DuckdbStore(folder / "store.duckdb") as store:
        log.append(
            FEEDS["impressions"].topic,
            [b'{"user_id":"u1","timestamp":"2026-01-05T00:00:00Z","website":"a.example","creative_id":"c"}'],
        )
        process_log(log, store)
        summarise(store).to_html(folder / "page.html")


def preview_workbook(folder: Path) -> None:
    with xlsxwriter.Workbook(folder / "clicks.xlsx") as book:
        book.add_worksheet().write_row(0, 0, ["user_id", "timestamp", "campaign_id"])
    preview("clicks", str(folder / "clicks.xlsx"))


def forget_importers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the packages that import an extra be imported again, and restore them after the test."""
    for module in list(sys.modules):
        for package in IMPORTERS:
            if module == package:
                parent, _, child = package.rpartition(".")
                monkeypatch.delattr(sys.modules[parent], child)  # the parent holds it, too
            if module == package or module.startswith(package + "."):
                monkeypatch.delitem(sys.modules, module)


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("alerts", lambda _: channels_of([SecretStr("json://127.0.0.1:1")])),
        ("elasticsearch", lambda _: open_store(STORE)),
        ("elasticsearch", lambda _: open_replacement(STORE)),
        ("elasticsearch", lambda _: kept_old(STORE)),
        ("elasticsearch", lambda _: drop_old(STORE)),
        ("excel", preview_workbook),
        ("kafka", lambda _: open_log("kafka://127.0.0.1:1")),
        ("objects", lambda _: preview("clicks", "s3://bucket/clicks.csv")),
        ("web", write_page),
        ("web", lambda _: serve()),
    ],
)
def test_the_missing_extra_is_named(
    name: str, use: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    forget_importers(monkeypatch)
    for package in EXTRAS[name]:
        for module in [package, *(loaded for loaded in sys.modules if loaded.startswith(package + "."))]:
            monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(AdvertiseXError, match=rf"need the extra '{name}'.*pip install 'advertisex\[{name}\]'"):
        use(tmp_path)


def test_a_fault_of_our_own_is_not_taken_for_a_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError), extra("web", "pages"):
        import advertisex.no_such_module  # noqa: F401


def test_the_extras_are_those_of_the_package() -> None:
    packages = {
        "apprise", "confluent-kafka", "elasticsearch", "fastapi", "httptools", "jinja2", "obstore", "plotly",
        "python-calamine", "python-multipart", "uvicorn",
    }  # fmt: skip
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {re.split("[>=]", one)[0] for name in EXTRAS for one in extras[name]} == packages
    assert extras["all"] == [f"advertisex[{','.join(EXTRAS)}]"]
