"""What a document from elsewhere says, from its bytes to values that our own pages show (decision 81).

Nothing here asks anybody, keeps anything or knows a page. Nothing of a document's own markup, style or script goes further:
what leaves is text, tables and files that were looked at.
"""
