"""JSON and NDJSON inputs: any sequence of values, split into messages in bounded memory."""
