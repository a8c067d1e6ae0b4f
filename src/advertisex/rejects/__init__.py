"""Rejects: rejected and filtered messages and conflicts: explaining, exporting, repairing and replaying them."""
