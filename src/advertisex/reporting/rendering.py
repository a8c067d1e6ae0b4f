"""Renders the HTML templates, with what they share: title, facts, and what the numbers are based on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from advertisex.reporting.cells import facts_of, format_counts, format_value, visible

if TYPE_CHECKING:
    from advertisex.analysis.answer import Answer

TEMPLATES = Path(__file__).parent / "templates"


def rendered(template: str, answer: "Answer", **values: Any) -> str:
    """Render a template; all values are escaped unless the template marks them as safe."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(
        title=answer.question.replace("_", " ").capitalize(),
        facts=facts_of(answer.facts),
        notes=list(map(visible, answer.notes)),
        about=_about(answer),
        format_value=format_value,
        **values,
    )


def _about(answer: "Answer") -> list[tuple[str, str]]:
    """What the numbers are based on: definition, range, horizon, parameters and rows read, as (name, text)."""
    scope = answer.scope
    rows = [("definition", answer.definition), ("since", _bound(scope.since, "the first event"))]
    rows += [("until", _bound(scope.until, "the last event")), ("campaign", format_value(scope.campaign or "all"))]
    rows += [("where", visible(", ".join(scope.where_texts())))] if scope.where else []
    rows += [("as of", _bound(scope.as_of, "now")), ("complete up to", format_value(answer.horizon))]
    rows += [("computed from", format_counts(answer.computed_from))]
    return rows + facts_of({name: value for name, value in answer.parameters.items() if value is not None})


def _bound(time: Any, default: str) -> str:
    return default if time is None else format_value(time)
