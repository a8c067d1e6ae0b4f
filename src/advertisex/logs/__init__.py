"""Event logs: the contract, and the adapters that keep it."""
