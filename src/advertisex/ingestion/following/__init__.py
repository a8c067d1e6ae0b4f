"""Follow sources: poll, watch files as they grow, remember how far they were read."""
