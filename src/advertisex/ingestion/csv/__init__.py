"""CSV: dialects, headers, and rows that are read strictly."""
