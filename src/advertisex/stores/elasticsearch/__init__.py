"""The event store in Elasticsearch."""
