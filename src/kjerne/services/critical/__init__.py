"""Critical information under its national address: what is special to that beside FHIR R4 over the same records."""
