"""kjerne: the national layer of a health service in one program.

What one part of the health service knows about a patient, the others - and the patient - can see, lawfully, at once.
`app` tells how one request goes through the house.
"""

__version__ = "0.1.0"
