"""Renders answers of `analysis`: as text cells, CSV, figures and a self-contained HTML page."""
