"""Parquet files, read in batches of rows."""
