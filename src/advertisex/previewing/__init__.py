"""Preview of a source: what `ingest` and `process` would make of it. Nothing is written."""
