"""How sources are read: options as plain data, checked before anything is read."""
