"""What `advertisex` can do, and how errors end."""

import errno
import io
import logging
import os
import signal
import sys
import traceback
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
    demo,
    doctor,
    erase,
    ingest,
    ledger,
    process,
    rejects,
    run,
    simulate,
)
from advertisex.cli.log_lines import configure_log
from advertisex.cli.output import err, out
from advertisex.errors import INTERRUPTED, AdvertiseXError, ConfigurationError, StoreInterrupted

#: What typer raises for a command line that it cannot read; it has no public name.
_UsageError: Any = typer.BadParameter.__base__

#: A full disk, a quota, a reader that has left: no fault of the program.
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE}

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
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Ad events you can trust: ingest impressions, clicks and bids, process them exactly once, ask what happened."""


app.command("demo")(demo.demo)
app.command("ingest")(ingest.ingest)
app.command("process")(process.process)
app.command("run")(run.run)
app.add_typer(analyze.app, name="analyze")
app.add_typer(rejects.app, name="rejects")
app.command("anomalies")(anomalies.anomalies)
app.add_typer(alerts.app, name="alerts")
app.command("ledger")(ledger.ledger)
app.command("erase")(erase.erase)
app.command("erasures")(erase.erasures)
app.command("doctor")(doctor.doctor)
app.command("simulate")(simulate.simulate)


def main() -> NoReturn:
    """Run the command line: one line for an error, and the exit code of its kind."""
    debug = "--debug" in sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # what it meets, the store says in one line
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a character still gets the rest
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    configure_log(err.is_terminal)
    stamina.instrumentation.set_on_retry_hooks([_say_retry])
    try:
        code = _run()
        sys.stdout.flush()
    except AdvertiseXError as error:
        if debug:
            traceback.print_exc()
        how = "interrupted" if isinstance(error, StoreInterrupted) else "error"
        err.print(f"{how}: {error}", markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(INTERRUPTED)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _UNWRITABLE:
            _give_up(error)
        if debug:
            raise
        err.print(
            f"internal error: {type(error).__name__}: {error}; run it again with --debug and report what it shows",
            markup=False,
            soft_wrap=True,
        )
        sys.exit(1)
    sys.exit(code)


def _run() -> int:
    """Run what the arguments say: its exit code.

    Raises:
        ConfigurationError: the command line cannot be read as one.
    """
    try:
        return int(app(prog_name=app.info.name, standalone_mode=False) or 0)
    except _UsageError as error:
        what = " ".join(error.format_message().split()).rstrip(".")
        if not what:  # it was asked for nothing, and has printed its help
            return ConfigurationError.exit_code
        command = error.ctx.command_path if error.ctx else app.info.name
        raise ConfigurationError(what[0].lower() + what[1:], hint=f"see {command} --help") from error


def _give_up(reason: OSError) -> NoReturn:
    """Say why, unless the reader has simply left, as `head` does; what stdout still holds goes nowhere."""
    if not isinstance(reason, BrokenPipeError):
        place = f" ({reason.filename})" if reason.filename else ""
        err.print(
            f"error: the output cannot be written{place}: {reason.strerror}; make room, and run it again",
            markup=False,
            soft_wrap=True,
        )
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)


def _say_retry(details: stamina.instrumentation.RetryDetails) -> None:
    structlog.get_logger(__name__).warning(
        "trying again", wait_seconds=round(details.wait_for, 1), why=str(details.caused_by)
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
