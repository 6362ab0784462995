"""Rows. The store knows nothing of law or HTTP; every read and search of a record takes a `Grant`, and its audit row is
written in the same transaction.
"""
