"""Analysis questions, one module each: pure functions of an event store."""
