"""Pacing: what flights have delivered, beside what is expected of them by now and what is booked."""
