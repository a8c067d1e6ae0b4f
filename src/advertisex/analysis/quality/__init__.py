"""Quality: how far the events can be trusted."""
