"""Code systems, value sets and concept maps: what a code means, which codes are meant, and what they are elsewhere."""
