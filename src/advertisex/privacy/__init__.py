"""The right to be forgotten: erasure of a user from store and log."""
