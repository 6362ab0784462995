"""What the commands of `kjerne.cli` do, one file for each kind; imported only by the command that needs it."""
