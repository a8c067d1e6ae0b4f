"""A store that another process has open for writing, read through that process."""
