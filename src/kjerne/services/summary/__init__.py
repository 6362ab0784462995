"""The International Patient Summary: made from what the caller may see now."""
