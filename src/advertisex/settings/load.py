"""Load the settings. Flags override `ADVERTISEX_*` environment variables, which override the TOML file."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from advertisex.errors import ConfigurationError
from advertisex.feeds import FEEDS
from advertisex.settings.environment import as_tables
from advertisex.settings.messages import explanation
from advertisex.settings.model import Settings
from advertisex.settings.secrets import is_reference, with_folder
from advertisex.settings.sources import source_title


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
    if environment:
        _reject_unknown_variables()
    path = file or _default_file(Path(given.get("data") or os.environ.get("ADVERTISEX_DATA") or ".advertisex"))
    file_values = as_tables(_read_file(path)) if path else {}

    merged: dict[str, Any] = {}

    class Layered(Settings):
        @model_validator(mode="before")
        @classmethod
        def _keep(cls, values: dict[str, Any]) -> dict[str, Any]:
            merged.update(values)
            return values

        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *args: Any, **sources: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            from_flags, from_environment = Settings.settings_customise_sources(settings_cls, *args, **sources)
            from_file = InitSettingsSource(settings_cls, init_kwargs=file_values)
            return (from_flags, from_environment, from_file) if environment else (from_flags, from_file)

    try:
        return Layered(**given)
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        variable = f"ADVERTISEX_{field[1].upper()}" if field else "a variable"
        raise ConfigurationError(
            f"{variable}, or a variable with this prefix, is not valid JSON",
            where="environment",
            hint="use JSON for lists and tables in environment variables",
        ) from error
    except ValidationError as error:
        where = f"flags, environment{f' or {path}' if path else ''}"
        raise _explained(error.errors()[0], merged, where) from error


def _explained(error: ErrorDetails, merged: Mapping[str, Any], where: str) -> ConfigurationError:
    name = _setting(error["loc"], merged)
    what, hint = explanation(error), "see docs/settings.md for every setting"
    if error["loc"][0] == "feeds" and error["loc"][-1] == "id_field":
        what, hint = "it was replaced by `identity`, a list of fields", _identity_hint(error)
    return ConfigurationError(f"setting {name}: {what}", where=where, hint=hint)


def _setting(loc: Sequence[int | str], merged: Mapping[str, Any]) -> str:
    """Return the name of a setting; below `auth`, its place has the type, too, and that of a key ends with [key]."""
    parts = [str(part) for part, above in zip(loc, (None, *loc), strict=False) if above != "auth" and part != "[key]"]
    if len(loc) > 1 and loc[0] == "sources" and isinstance(source := merged["sources"][loc[1]], Mapping):
        parts[1] = source_title(source.get("name"), loc[1])
    return ".".join(parts)


def _identity_hint(error: ErrorDetails) -> str:
    feed, field = FEEDS[str(error["loc"][1])], str(error["input"])
    hint = f'write identity = ["{field}"] in [feeds.{feed.name}]'
    return hint if field in {f.name for f in feed.fields} else f'{hint}, and extra = {{ {field} = "text" }}'


def _reject_unknown_variables() -> None:
    """Reject misspelt variables, which would be ignored silently. The model checks nested names."""
    prefix = "ADVERTISEX_"
    known = {"CONFIG", *(name.upper() for name in Settings.model_fields)}
    for variable in os.environ:
        name = variable.upper().removeprefix(prefix).split("__")[0]
        if variable.upper().startswith(prefix) and name not in known:
            raise ConfigurationError(
                f"unknown setting {variable}",
                where="environment",
                hint="see docs/settings.md for every setting",
            )


def _default_file(data: Path) -> Path | None:
    candidates = (Path("advertisex.toml"), data / "advertisex.toml")
    return next((path for path in candidates if path.is_file()), None)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f"could not read the settings: {error}", where=str(path), hint="pass a TOML file with --config"
        ) from error
    _resolve_paths(content, path.parent)
    found: dict[str, Any] = with_folder(content, path.parent)
    return found


def _resolve_paths(content: dict[str, Any], folder: Path) -> None:
    """Resolve relative paths against the folder of the settings file."""
    if isinstance(content.get("catalogue"), str):
        content["catalogue"] = folder / content["catalogue"]
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
