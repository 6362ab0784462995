"""`python -m kjerne`: the command line, where the program `kjerne` is not on the path."""

from kjerne.cli import main

main()
