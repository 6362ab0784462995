"""FHIRPath 2.0 as R4 uses it: an expression is read once into closures and evaluated over parsed JSON."""
