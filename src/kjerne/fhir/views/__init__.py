"""SQL on FHIR 2: a ViewDefinition read, held against R4, and run over resources one by one.

`definition` reads and refuses, `inferring` tells of which type a path is, `columns` what a value becomes in SQL, `running`
makes the rows, `shelf` holds the views that are shipped.
"""
