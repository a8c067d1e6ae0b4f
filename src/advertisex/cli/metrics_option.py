"""The option that serves metrics."""

from typing import Annotated

import typer

from advertisex.settings import Settings

MetricsPortOption = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        metavar="PORT",
        min=0,
        max=65_535,
        help="Serve /metrics for Prometheus on this port; 0 takes a free one.",
    ),
]


def with_port(settings: Settings, port: int | None) -> Settings:
    """The settings with the port of the option, where one was given."""
    if port is None:
        return settings
    return settings.model_copy(update={"metrics": settings.metrics.model_copy(update={"port": port})})
