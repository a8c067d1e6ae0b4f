"""From one page of an API to the next, without I/O."""
