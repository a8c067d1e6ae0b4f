"""Event logs: the contract and its adapters."""
