"""Monitoring of the pipeline: metrics, anomaly detection and alerts."""
