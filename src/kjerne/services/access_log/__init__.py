"""The access log as FHIR: every row an AuditEvent, for the patient herself and for whoever keeps the log."""
