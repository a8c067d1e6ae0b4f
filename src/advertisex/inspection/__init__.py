"""What the reading commands beside the questions show, for the command line and the web: options and documents."""
