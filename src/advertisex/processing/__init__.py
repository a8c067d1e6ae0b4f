"""Turns messages into trustworthy events: pure stages, and the loop that runs them."""
