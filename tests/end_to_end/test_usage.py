"""What is wrong with a command line is said in our words."""

from collections.abc import Iterator
from typing import Any

import pytest

from advertisex.cli.commands import COMMANDS, loaded
from tests.end_to_end.conftest import Cli

FOREIGN = ("Input", "pydantic", "No such", "no such", "Got", "got unexpected", "valid integer", "argument(s)")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("rejects list --limit x", "--limit: expected a whole number, got 'x'; see advertisex rejects list --help"),
        ("rejects list --limit -1", "--limit: must be at least 0, got '-1'; see advertisex rejects list --help"),
        ("rejects list --limit 9999999999", "--limit: must be at most 1000000000, got '9999999999'"),
        ("process --batch-size 1.5", "--batch-size: expected a whole number, got '1.5'"),
        ("run --metrics-port 99999", "--metrics-port: must be at most 65535, got '99999'"),
        ("rejects list --limi 1", "unknown option --limi; did you mean --limit? see advertisex rejects list --help"),
        ("rejects list --zzz", "unknown option --zzz; see advertisex rejects list --help"),
        ("rejcts", "unknown command 'rejcts'; did you mean rejects? see advertisex --help"),
        ("rejects lst", "unknown command 'lst'; did you mean list? see advertisex rejects --help"),
        ("zzz", "unknown command 'zzz'; see advertisex --help"),
        ("ledger extra", "unexpected argument: extra; see advertisex ledger --help"),
        ("ledger more extra", "unexpected arguments: more extra; see advertisex ledger --help"),
        ("rejects show", "missing argument 'ID'; see advertisex rejects show --help"),
        ("rejects list --limit", "--limit needs a value; see advertisex rejects list --help"),
        ("ledger --json=1", "--json takes no value; see advertisex ledger --help"),
        ("--json ledger", "unknown option --json; write it after the command: advertisex ledger --json\n"),
        ("--data x ledger", "unknown option --data; write it after the command: advertisex ledger --data DIR\n"),
        ("--store=x --json process", "unknown option --store; write it after the command: advertisex process --store "),
        (
            "--limit 5 rejects list",
            "unknown option --limit; write it after the command: advertisex rejects list",
        ),
        ("rejects --json list", "unknown option --json; write it after the command: advertisex rejects list --json\n"),
        ("analyze --csv reach", "unknown option --csv; write it after the command: advertisex analyze reach --csv\n"),
        ("--limit 5 ledger", "unknown option --limit; see advertisex --help"),
        ("--json rejects", "unknown option --json; "),
    ],
)
def test_a_wrong_command_line_is_one_line_in_our_words(cli: Cli, arguments: str, message: str) -> None:
    ended = cli(*arguments.split())
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"error: {message}")
    assert ended.err.count("\n") == 1
    assert not [word for word in FOREIGN if word in ended.err]


def _commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(f"{path} {name}", inner)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_use_of_an_option_names_the_help_of_its_command(cli: Cli, name: str) -> None:
    for path, command in _commands(name, loaded(name)):
        options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
        flags = [option.opts[0] for option in options if option.is_flag][:1]
        valued = [option.opts[0] for option in options if not option.is_flag][:1]
        wrong = ["--no-such", *(f"{flag}=1" for flag in flags), *valued]
        for use in wrong:
            ended = cli(*path.split(), use)
            assert (ended.code, ended.out) == (2, "")
            assert ended.err.endswith(f"see advertisex {path} --help\n"), (path, use, ended.err)
