"""How answers look: as cells for people, as CSV, as figures, and as one page of HTML. What they say is `analysis`."""
