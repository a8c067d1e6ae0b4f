"""Optional dependencies: what needs them says which extra to install."""

from collections.abc import Iterator
from contextlib import contextmanager

from advertisex.errors import AdvertiseXError, ConfigurationError

#: The modules that each extra of the package installs, and that are imported only where they are needed.
EXTRAS = {
    "alerts": {"apprise"},
    "elasticsearch": {"elastic_transport", "elasticsearch"},
    "excel": {"python_calamine"},
    "kafka": {"confluent_kafka"},
    "objects": {"obstore"},
    "web": {"fastapi", "httptools", "jinja2", "plotly", "python_multipart", "starlette", "uvicorn"},
}


@contextmanager
def extra(
    name: str, what: str, *, where: str = "", hint: str = "", error: type[AdvertiseXError] = ConfigurationError
) -> Iterator[None]:
    """Import modules of an extra in this context.

    Args:
        name: the extra.
        what: what needs it, in the plural.
        where: the place to name in the error.
        hint: what else can be done.
        error: the class of the error.

    Raises:
        AdvertiseXError: the extra is not installed; of the class `error`.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in EXTRAS[name]:
            raise
        raise error(
            f"{what} need the extra '{name}', which is not installed",
            where=where,
            hint=f"pip install 'advertisex[{name}]'{hint}",
        ) from missing
