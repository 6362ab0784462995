"""`$import`: many resources at once, as one body."""
