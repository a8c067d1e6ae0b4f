"""The `--metrics-port` option."""

from typing import Annotated

import typer

from advertisex.settings.model import Settings

MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        metavar="PORT",
        min=0,
        max=65_535,
        help="Serve Prometheus metrics at /metrics on this port; 0 picks a free one.",
    ),
]


def with_port(settings: Settings, port: int | None) -> Settings:
    """Return the settings with the port of the option, if given."""
    if port is None:
        return settings
    return settings.model_copy(update={"metrics": settings.metrics.model_copy(update={"port": port})})
