"""Ingestion: read sources and append their records to the event log."""
