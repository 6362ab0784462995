"""MHD: documents and submission sets of XDS as FHIR has them, and the searches that find them (IHE MHD 4.2.2)."""
