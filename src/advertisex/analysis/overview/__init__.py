"""The first thing to look at: are the numbers complete, what is at risk, and how does today compare."""
