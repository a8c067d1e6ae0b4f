"""Event stores: the contract, and the adapters that keep it."""
