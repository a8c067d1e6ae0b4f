"""The settings of questions."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from advertisex.feeds.words import ISO_4217
from advertisex.settings.section import Section
from advertisex.settings.zones import zone_name


def _currency(code: str) -> str:
    if code not in ISO_4217:
        raise ValueError(f"unknown currency {code!r}; expected a code of ISO 4217 such as EUR")
    return code


class AnalysisSettings(Section):
    """How questions are answered."""

    zone: Annotated[str, AfterValidator(zone_name)] = Field(
        default="UTC", description="time zone of the days, weeks and months of answers, and of `--since` and `--until`"
    )
    currency: Annotated[str, AfterValidator(_currency)] | None = Field(
        default=None, description="currency that all amounts are converted to; it needs `analysis.rates`"
    )
    rates: Path | None = Field(default=None, description="CSV file of exchange rates: date, from, to, rate")
    data_centres: Path | None = Field(
        default=None, description="file of networks of data centres, one on each line; their traffic is invalid"
    )
    ip_field: str = Field(
        default="ip", description="own field of impressions and clicks with the IP address, for `data_centres`"
    )
