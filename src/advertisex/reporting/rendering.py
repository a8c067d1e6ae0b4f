"""Renders the HTML templates, with what they share: title, facts, and what the numbers are based on."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from advertisex.reporting.cells import format_counts, format_value, visible
from advertisex.reporting.facts import facts_of
from advertisex.reporting.labels import label

if TYPE_CHECKING:
    from advertisex.analysis.answer import Answer

TEMPLATES = Path(__file__).parent / "templates"


@cache
def _environment(folder: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader([folder, TEMPLATES]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


def rendered(template: str, folder: Path = TEMPLATES, **values: Any) -> str:
    """Render a template of a folder or of this package; values are escaped unless the template marks them as safe."""
    return _environment(folder).get_template(template).render(format_value=format_value, label=label, **values)


def text_of_template(name: str) -> str:
    """Return a file of this package's templates as it is."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def values_of(answer: "Answer") -> dict[str, Any]:
    """What templates show of an answer beside its tables: title, facts, notes, and what the numbers are based on."""
    return {
        "title": answer.question.replace("_", " ").capitalize(),
        "facts": facts_of(answer.facts),
        "notes": list(map(visible, answer.notes)),
        "about": _about(answer),
        "parameters": _parameters(answer),
    }


def _about(answer: "Answer") -> list[tuple[str, str]]:
    """What the numbers are about: range, filters, horizon and rows read, as (name, text)."""
    scope = answer.scope
    rows = [("Since", _bound(scope.since, "the first event")), ("Until", _bound(scope.until, "the last event"))]
    rows += [("Campaign", format_value(scope.campaign))] if scope.campaign is not None else []
    rows += [("Where", visible(", ".join(scope.where_texts())))] if scope.where else []
    rows += [("Complete up to", format_value(answer.horizon))]
    return [*rows, ("Computed from", format_counts(answer.computed_from))]


def _parameters(answer: "Answer") -> list[tuple[str, str]]:
    """How they were computed: definition, time of the answer and parameters, as (name, text)."""
    parameters = facts_of({name: value for name, value in answer.parameters.items() if value is not None})
    fixed = [("Definition", answer.definition), ("As of", _bound(answer.scope.as_of, "now"))]
    return fixed + [(label(name), text) for name, text in parameters]


def _bound(time: Any, default: str) -> str:
    return default if time is None else format_value(time)
