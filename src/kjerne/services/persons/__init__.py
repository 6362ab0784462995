"""Persons as an operator mends them: two numbers of one human linked, and a wrong link undone."""
