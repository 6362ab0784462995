"""A patient summary from abroad: kept as it came, compared with what is registered, and settled entry by entry."""
