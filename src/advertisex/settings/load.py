"""Load the settings. Flags override `ADVERTISEX_*` environment variables, which override the TOML file."""

import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.settings.environment import PREFIX, TOKEN_VARIABLE, Environment, as_tables, name_of
from advertisex.settings.messages import explanation
from advertisex.settings.model import Settings
from advertisex.settings.origins import Origins
from advertisex.settings.secrets import is_reference, with_folder
from advertisex.settings.sources import source_title
from advertisex.settings.toml_file import read_settings_file


def load_settings(
    file: Path | None = None, flags: Mapping[str, Any] | None = None, *, environment: bool = True
) -> Settings:
    """Load the settings.

    Args:
        file: a TOML file; None looks for `advertisex.toml` in the current folder, then in the data folder.
        flags: command-line values by setting name; None values are ignored.
        environment: whether to read environment variables.

    Raises:
        ConfigurationError: the file could not be read, or a setting is invalid; the message names it.
    """
    given = as_tables({name: value for name, value in (flags or {}).items() if value is not None})
    variables = _variables() if environment else {}
    path = file or _default_file(Path(given.get("data") or os.environ.get("ADVERTISEX_DATA") or ".advertisex"))
    found = read_settings_file(path) if path else None
    origins = Origins(given, variables, found)
    file_values = _in_folder(found.content, found.path.parent) if found else {}

    merged: dict[str, Any] = {}

    class Layered(Settings):
        def origin(self, *keys: str | int) -> str:
            return origins.of(*keys)

        @model_validator(mode="before")
        @classmethod
        def _keep(cls, values: dict[str, Any]) -> dict[str, Any]:
            merged.update(values)
            return values

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *args: Any, **sources: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            from_flags, *_ = Settings.settings_customise_sources(settings_cls, *args, **sources)
            return from_flags, *(InitSettingsSource(settings_cls, values) for values in (variables, file_values))

    try:
        return Layered(**given)
    except ValidationError as error:
        raise _explained(error.errors()[0], merged, origins) from error


def _explained(error: ErrorDetails, merged: Mapping[str, Any], origins: Origins) -> ConfigurationError:
    keys = _keys(error["loc"])
    what, hint = explanation(error), "see docs/settings.md for every setting"
    if keys[0] == "feeds" and keys[-1] == "id_field":
        what, hint = "it was replaced by `identity`, a list of fields", _identity_hint(error)
    return ConfigurationError(f"setting {_name(keys, merged)}: {what}", where=origins.of(*keys), hint=hint)


def _keys(loc: Sequence[int | str]) -> list[int | str]:
    """The keys of a setting: below `auth`, its place has the type, too, and that of a key ends with [key]."""
    return [part for part, above in zip(loc, (None, *loc), strict=False) if above != "auth" and part != "[key]"]


def _name(keys: Sequence[int | str], merged: Mapping[str, Any]) -> str:
    parts = list(map(str, keys))
    if len(keys) > 1 and keys[0] == "sources" and isinstance(source := merged["sources"][keys[1]], Mapping):
        parts[1] = source_title(source.get("name"), keys[1])
    return ".".join(parts)


def _identity_hint(error: ErrorDetails) -> str:
    feed, field = FEEDS[str(error["loc"][1])], str(error["input"])
    hint = f'write identity = ["{field}"] in [feeds.{feed.name}]'
    return hint if field in {f.name for f in feed.fields} else f'{hint}, and extra = {{ {field} = "text" }}'


def _variables() -> dict[str, Any]:
    """The settings of the environment.

    Raises:
        ConfigurationError: a variable is unknown, which would be ignored silently, or is not valid JSON.
    """
    known = {name.upper() for name in Settings.model_fields}
    ours = {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    ours.pop(TOKEN_VARIABLE, None)
    for variable, value in ours.items():
        if variable.upper().removeprefix(PREFIX).split("__")[0] not in known:
            raise _invalid_variable(variable, "unknown setting", "see docs/settings.md for every setting")
        try:
            _values_of({variable: value})
        except SettingsError:
            hint = "use JSON for lists and tables in environment variables"
            raise _invalid_variable(variable, "it is not valid JSON", hint) from None  # it would show the value
    return _values_of(ours)


def _values_of(variables: Mapping[str, str]) -> dict[str, Any]:
    source = Environment(Settings)
    source.env_vars = {name.lower(): value for name, value in variables.items()}
    return source()


def _invalid_variable(variable: str, what: str, hint: str) -> ConfigurationError:
    return ConfigurationError(f"setting {name_of(variable)}: {what}", where=variable, hint=hint)


def _default_file(data: Path) -> Path | None:
    candidates = (Path("advertisex.toml"), data / "advertisex.toml")
    return next((path for path in candidates if path.is_file()), None)


def _in_folder(content: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The settings of a file, with relative paths resolved against its folder."""
    found: dict[str, Any] = with_folder(deepcopy(content), folder)
    _resolve_paths(found, folder)
    return found


def _resolve_paths(content: dict[str, Any], folder: Path) -> None:
    match content.get("catalogue"):
        case str(path):
            content["catalogue"] = folder / path
        case list(paths):
            content["catalogue"] = [folder / path if isinstance(path, str) else path for path in paths]
    listed = content["sources"] if isinstance(content.get("sources"), list) else []
    sources = [source for source in listed if isinstance(source, dict)]
    for section in (content.get("elasticsearch"), content.get("api"), *sources):
        if isinstance(section, dict) and isinstance(section.get("ca_file"), str):
            section["ca_file"] = folder / section["ca_file"]
    for source in sources:
        location = source.get("source")
        if isinstance(location, str) and _is_path(location):
            source["source"] = str(folder / location)
    feeds = content.get("feeds")
    for feed in feeds.values() if isinstance(feeds, dict) else ():
        schemas = feed.get("schemas") if isinstance(feed, dict) else None
        if isinstance(schemas, dict):
            feed["schemas"] = {number: folder / str(file) for number, file in schemas.items()}


def _is_path(location: str) -> bool:
    return location.strip() not in {"", "-"} and "://" not in location and not is_reference(location)
