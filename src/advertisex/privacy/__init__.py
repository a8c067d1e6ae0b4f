"""A user's right to be forgotten: erasure from store and log."""
