"""The layout of a source's database, as `store.migrate` runs it."""
