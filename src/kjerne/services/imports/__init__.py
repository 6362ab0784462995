"""`$import`: many resources at once, as one body or in parts that a manifest names."""
