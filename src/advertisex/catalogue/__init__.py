"""The catalogue: which campaign and advertiser each creative belongs to, and from when on."""
