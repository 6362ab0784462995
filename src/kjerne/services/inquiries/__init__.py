"""The room for what citizens say is wrong: reported misuse, and requests for correction."""
