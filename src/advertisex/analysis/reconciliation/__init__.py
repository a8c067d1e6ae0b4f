"""Reconciliation: our numbers against those of a partner's report, and why they differ."""
