"""Reading the settings: a TOML file, then `ADVERTISEX_*` environment variables, then flags, in that rising order."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsError

from advertisex.errors import ConfigurationError
from advertisex.settings import Settings

#: What pydantic says in its own terms, in ours.
_PLAIN = {
    "extra_forbidden": "there is no such setting",
    "string_pattern_mismatch": "write a number and a unit, such as 512MB",
    "time_delta_parsing": "write a number of seconds, or ISO 8601 such as PT15M",
    "float_parsing": "write a number",
    "int_parsing": "write a whole number",
}


def load_settings(file: Path | None, flags: dict[str, Any], *, environment: bool = True) -> Settings:
    """Read the settings.

    Args:
        file: a TOML file; None looks for `advertisex.toml` here and in the data folder.
        flags: what the command line gave, by name; None values are left out.
        environment: whether the environment counts.

    Raises:
        ConfigurationError: the file cannot be read, or a setting is wrong; the message names it.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if environment:
        _refuse_unknown_variables()
    path = file or _usual_file(Path(given.get("data") or os.environ.get("ADVERTISEX_DATA") or ".advertisex"))
    below = _read_file(path) if path else {}

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *args: Any, **sources: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            flagged, named = Settings.settings_customise_sources(settings_cls, *args, **sources)
            in_file = InitSettingsSource(settings_cls, init_kwargs=below)
            return (flagged, named, in_file) if environment else (flagged, in_file)

    try:
        return Layered(**given)
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        variable = f"ADVERTISEX_{field[1].upper()}" if field else "a variable"
        raise ConfigurationError(
            f"what {variable}, or one that begins so, says is no JSON",
            where="environment",
            hint="write lists and tables in the environment as JSON",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        what = _PLAIN.get(first["type"], first["msg"].removeprefix("Value error, "))
        raise ConfigurationError(
            f"setting {name}: {what}",
            where=f"flags, environment{f' or {path}' if path else ''}",
            hint="see docs/settings.md for every setting",
        ) from error


def _refuse_unknown_variables() -> None:
    """A misspelt variable would do nothing, without a word; nested ones are checked with their section."""
    prefix = "ADVERTISEX_"
    known = {"CONFIG", "TEST", *(name.upper() for name in Settings.model_fields)}
    for variable in os.environ:
        name = variable.upper().removeprefix(prefix).split("__")[0]
        if variable.upper().startswith(prefix) and name not in known and not name.startswith("TEST_"):
            raise ConfigurationError(
                f"there is no setting for {variable}",
                where="environment",
                hint="see docs/settings.md for every setting",
            )


def _usual_file(data: Path) -> Path | None:
    places = (Path("advertisex.toml"), data / "advertisex.toml")
    return next((place for place in places if place.is_file()), None)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f"cannot read the settings: {error}", where=str(path), hint="name a TOML file with --config"
        ) from error
    _anchor_paths(content, path.parent)
    return content


def _anchor_paths(content: dict[str, Any], folder: Path) -> None:
    """A relative path in the file is meant from the file's folder."""
    if isinstance(content.get("catalogue"), str):
        content["catalogue"] = folder / content["catalogue"]
    cluster = content.get("elasticsearch")
    if isinstance(cluster, dict) and isinstance(cluster.get("ca_file"), str):
        cluster["ca_file"] = folder / cluster["ca_file"]
    for source in content.get("sources") or ():
        place = source.get("source") if isinstance(source, dict) else None
        if isinstance(place, str) and place.strip() not in {"", "-"} and "://" not in place:
            source["source"] = str(folder / place)
    for feed in (content.get("feeds") or {}).values():
        schemas = feed.get("schemas") if isinstance(feed, dict) else None
        if isinstance(schemas, dict):
            feed["schemas"] = {number: folder / str(file) for number, file in schemas.items()}
