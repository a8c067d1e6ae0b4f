"""The `advertisex` command: its subcommands, and how errors become exit codes."""

import errno
import io
import logging
import os
import signal
import sys
import traceback
from collections.abc import MutableMapping
from types import FrameType
from typing import Annotated, Any, NoReturn

import stamina
import structlog
import typer

import advertisex
from advertisex.cli import (
    alerts,
    analyze,
    anomalies,
    catalogue,
    demo,
    doctor,
    erase,
    ingest,
    ledger,
    preview,
    process,
    rebuild,
    rejects,
    run,
    simulate,
    sources,
)
from advertisex.cli.output import err, out
from advertisex.errors import INTERRUPTED, AdvertiseXError, ConfigurationError, StoreInterrupted

#: The exception that typer raises for an invalid command line; it has no public name.
_UsageError: Any = typer.BadParameter.__base__

#: A full disk, an exceeded quota, a closed pipe: not bugs of this program.
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE}

#: The keys that every log line has; they come first.
_FIRST = ("timestamp", "level", "event")

app = typer.Typer(
    name="advertisex",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"advertisex {advertisex.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Ad events you can trust: ingest impressions, clicks and bids, process them exactly once, and analyze them."""


app.command("demo")(demo.demo)
app.command("preview")(preview.preview)
app.command("ingest")(ingest.ingest)
app.add_typer(sources.app, name="sources")
app.command("process")(process.process)
app.command("run")(run.run)
app.add_typer(analyze.app, name="analyze")
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(rejects.app, name="rejects")
app.command("anomalies")(anomalies.anomalies)
app.add_typer(alerts.app, name="alerts")
app.command("ledger")(ledger.ledger)
app.command("erase")(erase.erase)
app.command("erasures")(erase.erasures)
app.command("doctor")(doctor.doctor)
app.command("rebuild")(rebuild.rebuild)
app.command("simulate")(simulate.simulate)


def main() -> NoReturn:
    """Run the command line; print an error as one line and exit with its code."""
    debug = "--debug" in sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # the store reports its errors in one line
    for stream in (sys.stdout, sys.stderr):  # print "?" for a character that the terminal cannot encode
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    _configure_log(err.is_terminal, debug=debug)
    stamina.instrumentation.set_on_retry_hooks([_log_retry])
    try:
        code = _run()
        sys.stdout.flush()
    except AdvertiseXError as error:
        if debug:
            traceback.print_exc()
        prefix = "interrupted" if isinstance(error, StoreInterrupted) else "error"
        err.print(f"{prefix}: {error}", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _UNWRITABLE:
            _exit_unwritable(error)
        if debug:
            raise
        err.print(
            f"internal error: {type(error).__name__}: {error}; run again with --debug and report the traceback",
            markup=False,
            soft_wrap=True,
        )
        sys.exit(1)
    sys.exit(code)


def _run() -> int:
    """Parse the arguments, run the command and return its exit code.

    Raises:
        ConfigurationError: the command line is invalid.
    """
    try:
        return int(app(prog_name=app.info.name, standalone_mode=False) or 0)
    except _UsageError as error:
        what = " ".join(error.format_message().split()).rstrip(".")
        if not what:  # without arguments, typer has printed the help
            return ConfigurationError.exit_code
        command = error.ctx.command_path if error.ctx else app.info.name
        raise ConfigurationError(what[0].lower() + what[1:], hint=f"see {command} --help") from error


def _exit_unwritable(reason: OSError) -> NoReturn:
    """Report a failed write, unless the reader closed the pipe as `head` does; discard what stdout has buffered."""
    if not isinstance(reason, BrokenPipeError):
        place = f" ({reason.filename})" if reason.filename else ""
        err.print(
            f"error: could not write the output{place}: {reason.strerror}; free some space and run again",
            markup=False,
            soft_wrap=True,
        )
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def _configure_log(terminal: bool, *, debug: bool) -> None:
    """Write the log on stderr: human-readable lines on a terminal, and one JSON object per line elsewhere.

    Each line has `timestamp` (UTC, RFC 3339), `level`, `event` and its details. No line contains user data.
    """
    renderers: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if terminal
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("debug" if debug else "info"),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _ordered,
            *renderers,
        ],
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _ordered(logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the keys that every line has first, for readability."""
    return {name: line[name] for name in _FIRST} | {name: v for name, v in line.items() if name not in _FIRST}


def _log_retry(details: stamina.instrumentation.RetryDetails) -> None:
    structlog.get_logger(__name__).warning(
        "retrying", wait_seconds=round(details.wait_for, 1), why=str(details.caused_by)
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
