"""Bulk export on a named legal ground, approved by two persons."""
