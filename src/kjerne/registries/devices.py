"""What a device is called that somebody carries, by what is told of it: a Device, or the reference to one.

Source: R4 device.html (`type`, `deviceName`, `modelNumber`, `udiCarrier`) and references.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kjerne.fhir.cds_hooks import codings, named, objects, said

Tree = Mapping[str, Any]


def called(device: Tree) -> str:
    """By its kind, its own name or its model, else by the code of its kind or the number that it carries; empty for none.

    >>> called({"deviceName": [{"name": "Pacemaker Medtronic", "type": "user-friendly-name"}]})
    'Pacemaker Medtronic'
    """
    return next((text for text in _names(device) if text.strip()), "")


def _names(device: Tree) -> Iterator[str]:
    yield named(device.get("type"))
    names = sorted(objects(device.get("deviceName")), key=lambda one: one.get("type") != "user-friendly-name")
    yield from (said(one.get("name")) for one in names)
    yield " ".join(filter(None, (said(device.get(key)).strip() for key in ("manufacturer", "modelNumber"))))
    yield from (code for _, code, _ in codings(device.get("type")))
    for one in objects(device.get("udiCarrier")):
        yield from (said(one.get("deviceIdentifier")), said(one.get("carrierHRF")))
    yield from (said(device.get(key)) for key in ("serialNumber", "lotNumber"))
    yield from (said(one.get("value")) for one in objects(device.get("identifier")))


def contained(tree: Tree) -> Tree:
    """The Device inside a statement of one in use: the one that it leads to; empty where it has none."""
    address = next((said(one.get("reference")) for one in objects(tree.get("device"))), "")
    inside = [one for one in objects(tree.get("contained")) if one.get("resourceType") == "Device"]
    return next((one for one in inside if address == f"#{said(one.get('id'))}"), inside[0] if inside else {})


def referred_to(reference: Any) -> str:
    """What a reference calls its device: by its words, else by the number that it has."""
    for one in objects(reference):
        numbers = [said(each.get("value")) for each in objects(one.get("identifier"))]
        if text := next((each for each in (said(one.get("display")), *numbers) if each.strip()), ""):
            return text
    return ""
