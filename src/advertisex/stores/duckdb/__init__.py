"""The event store in a DuckDB file."""
