"""The command `advertisex report`."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from advertisex.analysis.arguments import check_duration
from advertisex.cli.analyze.asking import answered, print_asked
from advertisex.cli.options import (
    ConfigOption,
    DataOption,
    DebugOption,
    JsonOption,
    LogOption,
    StoreOption,
    settings_of,
)
from advertisex.cli.output import print_json, say
from advertisex.cli.reports.saved import in_settings, saved_report
from advertisex.cli.reports.writing import repeat, stem_of, write_report
from advertisex.cli.tables import print_table
from advertisex.errors import ConfigurationError
from advertisex.settings.durations import duration_of
from advertisex.settings.model import Settings
from advertisex.stores.commit_time import utc_now


def report(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of a report; without it, all are listed.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write files to this folder, in the formats of the report.")
    ] = None,
    every: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Write again after each 1d, 12h, … until interrupted.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the main table as CSV on stdout.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write an HTML page.")] = None,
    data: DataOption = None,
    log: LogOption = None,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run or list the saved reports of the settings, also on schedule."""
    printed = [
        *(["--csv"] if as_csv else []),
        *(["--json"] if as_json else []),
        *([] if html is None else [f"--html={html}"]),
    ]
    _check(name, out, every, printed[:1])
    settings = settings_of(config, data=data, log=log, store=store)
    if name is None:
        _list(settings, as_json=as_json)
    elif out is None:
        asked = saved_report(settings, name, printed, utc_now()).asked
        print_asked(asked, settings, lambda act: in_settings(name, settings.reports[name], act))
    else:
        _write(settings, name, out, None if every is None else _interval(every))


def _check(name: str | None, out: Path | None, every: str | None, printed: list[str]) -> None:
    if every is not None and out is None:
        raise ConfigurationError("--every requires --out", hint="add --out FOLDER")
    if name is None and (out is not None or printed not in ([], ["--json"])):
        raise ConfigurationError("the name of the report is missing", hint="`advertisex report` lists them")
    if out is not None and printed:
        raise ConfigurationError(
            f"{printed[0].partition('=')[0]} and --out contradict each other", hint="set the formats of the report"
        )
    if out is not None and not out.is_dir():
        raise ConfigurationError("no such folder", where=f"--out {out}", hint="make it first")


def _interval(text: str) -> timedelta:
    return check_duration(duration_of(text, "--every"), "--every", minimum=timedelta.resolution)


def _write(settings: Settings, name: str, folder: Path, every: timedelta | None) -> None:
    kept = settings.reports.get(name)
    saved_report(settings, name, [], utc_now())  # an invalid option ends the command, also if it runs again and again
    assert kept is not None

    def run() -> None:
        now = utc_now()
        saved = saved_report(settings, name, [], now)
        answer = in_settings(name, kept, lambda: answered(saved.asked, settings))
        write_report(answer, folder, stem_of(name, answer, saved.since, saved.until, now), kept.formats)

    if every is None:
        run()
    else:
        repeat(run, every, name)


def _list(settings: Settings, *, as_json: bool) -> None:
    found = {name: one.model_dump(mode="json", exclude_none=True) for name, one in settings.reports.items()}
    if as_json:
        print_json({"reports": [{"name": name, **options} for name, options in found.items()]})
    elif found:
        rows = [(name, options.pop("question"), _shown(options)) for name, options in found.items()]
        print_table("Reports", ("name", "question", "options"), rows)
    else:
        say("No report is saved: add [reports.NAME] to the settings.")


def _shown(options: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_value(value)}" for key, value in options.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{field}={_value(each)}" for field, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
