"""Watching the flow: metrics, anomalies, alerts."""
