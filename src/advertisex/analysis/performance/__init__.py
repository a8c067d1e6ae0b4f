"""Performance: what was delivered, what it cost and what it earned."""
