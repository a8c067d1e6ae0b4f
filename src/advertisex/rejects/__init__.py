"""Rejected and filtered messages as a product: shown, exported, mended and sent again."""
