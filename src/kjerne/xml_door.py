"""The one parser that XML goes through, whatever it is part of: no document type, no entity, no network.

A second parser that is set up a little otherwise is how others were opened (`tests/laws/test_known_faults.py`, fault 9).
"""

from __future__ import annotations

from functools import lru_cache

from lxml import etree


@lru_cache(maxsize=1)
def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )


def parsed(utf8: bytes) -> etree._Element:
    """The root element, without comments and instructions; raises `lxml.etree.XMLSyntaxError`."""
    return etree.fromstring(utf8, _parser())
