"""Environment variables as settings."""

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from advertisex.errors import ConfigurationError

#: What the names of variables begin with.
PREFIX = "ADVERTISEX_"
#: The variable with the token for `--server`, which is not a setting.
TOKEN_VARIABLE = "ADVERTISEX_TOKEN"  # noqa: S105 - its name
#: Settings that are a table, or a text: the URL in the table.
URL_TABLES = ("log", "store")
#: Settings that are a list of paths, or one path.
PATH_LISTS = ("catalogue",)


def as_tables(values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of one place with a table for each of `URL_TABLES`, so that places are merged key by key."""
    return {
        name: {"url": value} if name in URL_TABLES and isinstance(value, str) else value
        for name, value in values.items()
    }


def name_of(variable: str) -> str:
    """The dotted name of the setting that a variable gives."""
    return variable.upper().removeprefix(PREFIX).lower().replace("__", ".")


class Environment(EnvSettingsSource):
    """The variables `ADVERTISEX_*`; some need no JSON.

    `ADVERTISEX_LOG` may be a URL beside `ADVERTISEX_LOG__KEEP_DAYS`, and a list of paths may be one path.
    """

    def prepare_field_value(self, field_name: str, field: FieldInfo, value: Any, value_is_complex: bool) -> Any:
        """Return the value of a field; see `EnvSettingsSource`."""
        if field_name in PATH_LISTS and value is not None and not value.lstrip().startswith("["):
            return value
        if field_name not in URL_TABLES or value is None or value.lstrip().startswith("{"):
            return super().prepare_field_value(field_name, field, value, value_is_complex)
        others = self.explode_env_vars(field_name, field, self.env_vars)
        if "url" in others:
            variable = f"{self.env_prefix}{field_name}".upper()
            raise ConfigurationError(
                f"setting {field_name}.url: {variable} and {variable}__URL are both set",
                where=f"{variable}, {variable}__URL",
                hint="keep one of them",
            )
        return others | {"url": value}
