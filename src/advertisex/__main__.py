"""`python -m advertisex` is the command `advertisex`."""

from advertisex.cli.main import run

run()
