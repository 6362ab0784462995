"""Synthetic people learned from tables of events: read, learned, sampled, and judged.

The way through: `tables` reads files, `cohorts` makes a typed cohort of them, `vocabulary` says what of it may be learned,
`learning` fits the networks, `model_file` keeps them, `sampling` makes people in blocks, `writing` files them in shards, and
`judging` holds them against real ones. Nothing here asks the database or a platform; only the command line imports it, and
NumPy comes with the extra `kjerne[synthetic]`.
"""
