"""Oversight of the log for the data controller: what stands out, opened under the law, and what came of it."""
