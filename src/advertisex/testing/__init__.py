"""Test support: starts real Kafka and Elasticsearch servers on this machine and removes them afterwards."""
