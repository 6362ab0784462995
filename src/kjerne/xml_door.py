"""The one parser that XML goes through, whatever it is part of: no document type, no entity, no network.

A second parser that is set up a little otherwise is how others were opened (`tests/laws/test_known_faults.py`, fault 9).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache
from typing import BinaryIO

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


def streamed(file: BinaryIO, names: Collection[str]) -> Iterator[etree._Element]:
    """The elements of these local names as they end, each emptied when the next is asked for. Raises as `parsed`."""
    for _, element in etree.iterparse(
        file, events=("end",), tag=[f"{{*}}{name}" for name in names], resolve_entities=False, load_dtd=False,
        no_network=True, huge_tree=False, remove_comments=True, remove_pis=True,
    ):  # fmt: skip
        yield element
        element.clear()
        parent = element.getparent()
        while parent is not None and (before := element.getprevious()) is not None:
            parent.remove(before)
