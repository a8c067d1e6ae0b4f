"""The questions and their options, as the command line and the HTTP API offer them."""
