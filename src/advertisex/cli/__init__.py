"""The command line: one module for each command; they parse, call and print."""
