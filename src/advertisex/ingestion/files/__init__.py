"""Local files that are followed: watched as they grow, and read from where the last reading ended."""
