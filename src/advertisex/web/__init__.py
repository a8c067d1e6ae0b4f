"""The dashboard and the HTTP API: the same questions, answers and pages as on the command line."""
