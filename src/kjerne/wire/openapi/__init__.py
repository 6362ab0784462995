"""The OpenAPI document of this installation, made from its own route table: `GET /openapi.json`, `kjerne openapi`.

`operations` says what each line of the table takes and gives, `pieces` what many of them share, `document` puts them together.
"""
