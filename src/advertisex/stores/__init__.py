"""Event stores: the contract, and one adapter per backend."""
