"""How files are made so that a crash or a full disk leaves nothing half-written, and what disks do wrong."""
