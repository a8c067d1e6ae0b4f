"""The collector: takes events over HTTP, and answers once they are durable in the event log."""
