"""The collector, over the real server and a real log."""
