"""Who takes part in which service: the register as an operator reads and changes it."""
