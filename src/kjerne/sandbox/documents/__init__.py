"""Documents about the synthetic people, as hospitals, general practitioners and municipalities write them. All are made up."""
