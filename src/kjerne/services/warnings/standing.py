"""Which entries of critical information stand at a moment, and what each is called on a card.

Sources: R4 flag.html, deviceusestatement.html, procedure.html, condition.html; the extension KjValidUntil.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from kjerne.fhir.cds_hooks import codings, named, objects, said
from kjerne.fhir.dates import period
from kjerne.registries.negatives import called, negative_of
from kjerne.services.warnings import reading

Tree = Mapping[str, Any]
ALLERGY: Final = "AllergyIntolerance"
STATED: Final[Mapping[str, frozenset[str]]] = {
    "DeviceUseStatement": frozenset({"active", "intended", "on-hold"}),
    "Procedure": frozenset({"in-progress", "preparation", "on-hold"}),
    "Flag": frozenset({"active"}),
}
"""The statuses of what stands, of the types whose status says it."""


def stands(name: str, tree: Tree, now: datetime) -> bool:
    """Whether an entry is in force by its own status and times; what else keeps an allergy from warning is looked at with it."""
    if reading.is_past(tree, now) or (name == "Flag" and _is_over(tree, now)):
        return False
    if name in STATED:
        return said(tree.get("status")) in STATED[name]
    verified = {code for _, code, _ in codings(tree.get("verificationStatus"))}
    status = {code for _, code, _ in codings(tree.get("clinicalStatus"))}
    return not (verified & reading.NEVER or status & (reading.OVER | {"remission"}))


def is_nothing(tree: Tree) -> bool:
    """Whether an allergy says that there is none, and nothing else."""
    return bool(negative_of(tree, tree.get("code")))


def name_of(tree: Tree) -> str:
    """What an entry is called: in its own words, by its device, by its category; else its type."""
    return (
        called(tree, tree.get("code"))
        or named(tree.get("code"))
        or _device(tree)
        or named(tree.get("category"))
        or _code(tree)
        or said(tree.get("resourceType"))
    )


def _device(tree: Tree) -> str:
    """By the Device that a statement contains, which the profile demands, else by what the reference is called."""
    reference = next(objects(tree.get("device")), {})
    address = said(reference.get("reference"))
    for one in objects(tree.get("contained")):
        if one.get("resourceType") == "Device" and (address[:1] != "#" or address == f"#{one.get('id')}"):
            given = (said(each.get("name")) for each in objects(one.get("deviceName")))
            text = named(one.get("type")) or next((each for each in given if each.strip()), "")
            if text := text or said(one.get("modelNumber")) or _code({"code": one.get("type")}):
                return text
    text = said(reference.get("display"))
    return text if text.strip() else ""


def _code(tree: Tree) -> str:
    return next((code for _, code, _ in codings(tree.get("code"))), "")


def _is_over(tree: Tree, now: datetime) -> bool:
    """A flag whose period has ended, as both views show it (`critical.keeping.shown`)."""
    spans = period(tree.get("period"))
    return spans is not None and spans[1] <= now
