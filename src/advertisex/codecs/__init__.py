"""The wire formats, in both directions: bytes of messages to fields, and fields to bytes."""
