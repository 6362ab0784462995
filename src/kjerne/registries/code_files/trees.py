"""XML files as streams of elements, whose faults are refusals that name the file and its line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from lxml import etree

from kjerne.registries.code_files.sources import Source
from kjerne.xml_door import streamed


def elements(source: Source, names: Collection[str], meter: Callable[[int], None]) -> Iterator[Any]:
    """Elements by their local names, in the order in which they end. `Refusal` 422 where the file is no XML, or cut off."""
    with source.chunks(meter) as file:
        found = streamed(file, names)
        while True:
            try:
                element = next(found, None)
            except etree.XMLSyntaxError as error:
                raise source.refused("the file is no XML that can be read, or is cut off", error.lineno or 0) from None
            if element is None:
                return
            yield element


def local(element: Any) -> str:
    """An element's name without its namespace."""
    return str(etree.QName(element).localname)


def child(element: Any, *names: str) -> Any:
    """The element that a path of local names leads to; None where there is none."""
    for name in names:
        element = next((one for one in element if local(one) == name), None)
        if element is None:
            return None
    return element


def text(element: Any, *names: str) -> str:
    """What an element, or the one that a path leads to, says: its text with what stands in elements within."""
    found = child(element, *names) if names else element
    return " ".join("".join(found.itertext()).split()) if found is not None else ""


def root(head: bytes) -> str:
    """The local name of the first element that begins in these bytes; empty where none does."""
    rest = head.lstrip()
    while rest.startswith((b"<?", b"<!")):
        end = b"-->" if rest.startswith(b"<!--") else b"]>" if b"[" in rest.partition(b">")[0] else b">"
        rest = rest.partition(end)[2].lstrip()
    if not rest.startswith(b"<"):
        return ""
    name = rest[1:200].split(b">")[0].split(b"/")[0].split()[:1]
    return name[0].rpartition(b":")[2].decode("ascii", "replace") if name else ""
