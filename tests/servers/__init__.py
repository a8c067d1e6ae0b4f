"""Real Kafka and Elasticsearch servers on this machine, for the tests and for `make servers`."""
