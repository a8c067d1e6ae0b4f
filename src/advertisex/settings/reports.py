"""Settings of saved reports: a question and its options, under a name."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from advertisex.settings.section import Section

#: Ranges that move with the calendar.
RangeName = Literal["yesterday", "last_week", "last_month", "this_month"]

#: What a report can be written as.
ReportFormat = Literal["csv", "json", "html"]


class ReportSettings(Section):
    """A question and its options, by their names on the command line, without the dashes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    question: str = Field(min_length=1, description="the question, as in `advertisex analyze`; its options beside it")
    range: RangeName | None = Field(
        default=None, description="whole days of the time zone, instead of `since` and `until`"
    )
    formats: Annotated[tuple[ReportFormat, ...], Field(min_length=1)] = Field(
        default=("csv",), description="what `--out` writes"
    )

    @property
    def options(self) -> dict[str, Any]:
        """The options of the question."""
        return dict(self.model_extra or {})


def _report_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", name):  # becomes a part of file names
        raise ValueError("the name of a report has letters, digits, - and _, and at most 60 characters")
    return name


#: The name of a report.
ReportName = Annotated[str, AfterValidator(_report_name)]
