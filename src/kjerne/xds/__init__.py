"""XDS as data: documents' metadata, queries and answers of IHE XDS.b and XCA (ITI TF-3, 4) as values, and ebRIM around them."""
