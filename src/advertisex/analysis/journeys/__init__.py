"""Journeys: what happens before a conversion."""
