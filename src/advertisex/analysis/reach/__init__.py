"""Reach: who saw an ad, how often and when, and who converted."""
