"""Rejected and filtered messages: explaining, exporting, repairing and replaying them."""
