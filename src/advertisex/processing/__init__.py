"""Messages become trustworthy events: pure stages, and the loop that runs them."""
